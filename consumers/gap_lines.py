"""Gaps as they are read: a JSON object a line, a row of an export, or words."""

from collections.abc import Mapping
from typing import Any, Final

from consumers.customers import Listed, Unreadable
from consumers.gaps import Uncovered
from consumers.partial import Partial

Names = Mapping[str, str]

COLUMNS: Final[dict[str, type]] = {
    "gap": str, "contact": str, "ref": str, "account": str, "account_ref": str, "brand": str, "channel": str,
    "purpose": str, "expected": str, "got": str, "because": str, "evidence": list, "copy": str, "opted_out": list,
    "reachable": list, "covers": list, "line": int, "reason": str,
}  # fmt: skip


def uncovered(gap: Uncovered, copy: str, names: Names) -> dict[str, Any]:
    """It must not go out, and a copy would let it; `because` of what: the copy itself, or a link never told."""
    denied, got = gap
    brand, channel, purpose = denied.message
    return {
        "gap": "uncovered", "contact": names[denied.contact], "ref": denied.contact,
        "account": denied.account and names[denied.account], "account_ref": denied.account,
        "brand": brand, "channel": channel, "purpose": purpose,
        "expected": denied.expected, "got": got.reason, "evidence": list(denied.evidence),
        "because": "copy" if denied.account is None else "never_linked", "copy": copy,
    }  # fmt: skip


def partial(gap: Partial, names: Names) -> dict[str, Any]:
    """Some contacts of an account opted out, others can still be sent to."""
    return {
        "gap": "partial", "account": names[gap.account], "ref": gap.account, "account_ref": gap.account,
        "opted_out": [names[ref] for ref in gap.opted_out], "reachable": [names[ref] for ref in gap.reachable],
        "messages": [dict(zip(("brand", "channel", "purpose"), message, strict=True)) for message in gap.messages],
        "covers": ["/".join(message) for message in gap.messages],
    }  # fmt: skip


def never_linked(link: Listed) -> dict[str, Any]:
    """The customer database has it, the ledger was never told."""
    return {
        "gap": "never_linked", "contact": link.whom.masked, "ref": link.contact, "account": link.whose.masked,
        "account_ref": link.account, "line": link.line,
    }  # fmt: skip


def not_listed(account: str, contact: str, names: Names) -> dict[str, Any]:
    """The ledger has it, the customer database has not."""
    return {
        "gap": "not_listed", "contact": names[contact], "ref": contact, "account": names[account],
        "account_ref": account,
    }  # fmt: skip


def unreadable(row: Unreadable) -> dict[str, Any]:
    """A row of the customer database that says nothing."""
    return {"gap": "unreadable", "line": row.line, "reason": row.reason}


def in_words(line: Mapping[str, Any]) -> str:
    """A gap as a person reads it."""
    kind = f"{line['gap']:<12}"
    match line["gap"]:
        case "uncovered":
            what = f"{line['purpose']} by {line['channel']} from {line['brand']}"
            because = f" (in {line['account']}, which the ledger was never told)" if line["account"] else ""
            return (
                f"{kind} {line['contact']}{because}: the log says {line['expected']}, "
                f"{line['copy']} lets {what} out ({line['got']})"
            )
        case "partial":
            out, still = ", ".join(line["opted_out"]), ", ".join(line["reachable"])
            return f"{kind} {line['account']}: {out} opted out, still reachable: {still}"
        case "never_linked":
            where = f"line {line['line']} of the customer database"
            return f"{kind} {line['contact']} is in {line['account']} by {where}; the ledger was never told"
        case "not_listed":
            return f"{kind} {line['contact']} is in {line['account']} by the ledger; the customer database has it not"
    return f"{kind} line {line['line']} of the customer database: {line['reason']}"
