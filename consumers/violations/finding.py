"""Violations as they are told: with the lag, and with whether the no was in force at every gateway by then."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from consumers.confirm import Receipts
from consumers.confirmation import Target
from consumers.enforcing import ALWAYS, Enforcing, Register, Watched, target_of
from consumers.violations.judging import OTHERS, Cause, Violation
from consumers.wording import REASONS
from ledger.log import Log
from schemas.times import rfc3339

NEVER: Final = 1 << 62
COLUMNS: Final[dict[str, type]] = {
    "sent_at": datetime, "subject": str, "ref": str, "kind": str, "channel": str, "purpose": str, "brand": str,
    "sender": str, "gateway": str, "reason": str, "events": list, "recorded_at": datetime, "enforced_at": datetime,
    "after": str, "lag_s": float, "source": str, "shadow": bool,
}  # fmt: skip
AFFECTED: Final[dict[str, type]] = {
    "subject": str, "ref": str, "gateway": str, "channel": str, "purpose": str, "brand": str, "sends": int,
    "reason": str, "after_enforced": int, "first_at": datetime, "last_at": datetime, "recorded_at": datetime,
}  # fmt: skip


class Found(NamedTuple):
    """A violation, and when the no had come into force everywhere; None where it has not."""

    violation: Violation
    enforced_at: int | None

    @property
    def is_after_enforced(self) -> bool:
        """Whether it went out although every gateway had told that it has the no."""
        return self.enforced_at is not None and self.violation.send.at > self.enforced_at

    @property
    def after(self) -> str | None:
        """What had happened to the no: `enforced`, or only `recorded`; None where nobody had said no."""
        if not self.violation.is_no:
            return None
        return "enforced" if self.is_after_enforced else "recorded"


def with_enforcement(log: Log, receipts: Receipts, violations: Sequence[Violation]) -> Iterator[Found]:
    """Each violation with when its no was in force everywhere, from one reading of the receipts.

    Raises UnavailableError.
    """
    noes = [violation.cause for violation in violations if violation.is_no and violation.cause]
    causes = sorted({cause for cause in noes if cause.position is not None})
    enforcing: Enforcing[Cause] = Enforcing(Register(log), receipts)
    watched = (Watched(cause, _target(log, cause), ALWAYS) for cause in causes)
    enforced = {found.what: found.enforcement.at for found in enforcing.of(watched)} if causes else {}
    for violation in violations:
        cause = violation.cause
        if cause is None or not violation.is_no:
            yield Found(violation, None)
        else:  # a yes that ran out did so at every gateway by itself
            yield Found(violation, cause.recorded_at if cause.position is None else enforced.get(cause))


def _target(log: Log, cause: Cause) -> Target:
    if cause.position is None:
        raise ValueError("only what was recorded comes into force at gateways")
    return target_of(log, cause.position, cause.recorded_at)


def as_json(found: Found, names: Mapping[str, str]) -> dict[str, Any]:
    """A violation as one line of `violations --json`; times are RFC 3339, the lag is in seconds."""
    (send, reason, evidence, cause), enforced_at = found
    ref = send.subject.hex()
    return {
        "sent_at": rfc3339(send.at),
        "subject": names[ref],
        "ref": ref,
        "kind": send.message.kind,
        "channel": send.message.channel,
        "purpose": send.message.purpose,
        "brand": send.message.brand,
        "sender": send.message.sender,
        "gateway": send.message.gateway,
        "reason": reason,
        "events": list(evidence),
        "recorded_at": rfc3339(cause.recorded_at) if cause else None,
        "enforced_at": None if enforced_at is None else rfc3339(enforced_at),
        "after": found.after,
        "lag_s": round((send.at - cause.recorded_at) / 1_000, 3) if cause else None,
        "source": send.source,
        "shadow": send.message.shadow,
    }


def in_words(line: Mapping[str, Any]) -> str:
    """One line as a person reads it."""
    sent = f"sent {line['sent_at']} to {line['subject']} by {line['gateway']}: {line['channel']}, {line['purpose']}"
    if line["after"] is None:
        return f"{sent}; {line['reason']}, {line['source']}"
    after = "in force" if line["after"] == "enforced" else "recorded, not in force everywhere yet"
    lag = f"{line['lag_s']:,.1f} s after the no was recorded ({after})"
    return f"{sent}, {lag}; {line['reason']}, {line['source']}"


@dataclass(slots=True)
class Affected:
    """All that one gateway sent to one contact, of one kind, against a no."""

    sends: int = 0
    after_enforced: int = 0
    first_at: int = NEVER
    last_at: int = 0
    recorded_at: int = NEVER

    def take(self, found: Found) -> None:
        """One more."""
        at = found.violation.send.at
        self.sends += 1
        self.after_enforced += found.is_after_enforced
        self.first_at, self.last_at = min(self.first_at, at), max(self.last_at, at)
        if found.violation.cause:
            self.recorded_at = min(self.recorded_at, found.violation.cause.recorded_at)


Key = tuple[str, str, str, str, str, str]


def affected(found: Iterable[Found]) -> dict[Key, Affected]:
    """Who was affected, by which gateway, from when to when, in the order of contacts."""
    by: dict[Key, Affected] = {}
    for one in found:
        send = one.violation.send
        said = send.message
        reason = "revoked" if one.violation.is_no else one.violation.reason
        key = (send.subject.hex(), said.gateway, said.channel, said.purpose, said.brand, reason)
        by.setdefault(key, Affected()).take(one)
    return by


def affected_as_json(key: Key, one: Affected, names: Mapping[str, str]) -> dict[str, Any]:
    """As one line of `violations --affected --json`."""
    ref, gateway, channel, purpose, brand, reason = key
    return {
        "subject": names[ref],
        "ref": ref,
        "gateway": gateway,
        "channel": channel,
        "purpose": purpose,
        "brand": brand,
        "reason": reason,
        "sends": one.sends,
        "after_enforced": one.after_enforced,
        "first_at": rfc3339(one.first_at),
        "last_at": rfc3339(one.last_at),
        "recorded_at": rfc3339(one.recorded_at) if one.recorded_at < NEVER else None,
    }


def affected_in_words(line: Mapping[str, Any]) -> str:
    """One line as a person reads it."""
    why = f"the no was recorded {line['recorded_at']}" if line["reason"] == "revoked" else line["reason"]
    return (
        f"{line['subject']}: {line['sends']:,} sent by {line['gateway']} ({line['channel']}, {line['purpose']}) from "
        f"{line['first_at']} to {line['last_at']}; {why}"
    )


def totals_in_words(sends: int, found: Sequence[Found]) -> Iterator[str]:
    """How `violations` ends."""
    noes = [one for one in found if one.violation.is_no]
    after = sum(one.is_after_enforced for one in noes)
    contacts = len({one.violation.send.subject for one in noes})
    yield (
        f"{sends:,} messages sent; {len(noes):,} of them, to {contacts:,} contact(s), against a no: {after:,} after "
        f"it was in force everywhere, {len(noes) - after:,} after it was recorded and before that"
    )
    for gateway, count in sorted(Counter(one.violation.send.message.gateway for one in noes).items()):
        yield f"  {count:>12,}  by {gateway}"
    others = Counter(one.violation.reason for one in found if not one.violation.is_no)
    if others:
        yield f"{others.total():,} more that the rules denied when they went out:"
    for reason in OTHERS:
        if others[reason]:
            yield f"  {others[reason]:>12,}  {reason}: {REASONS[reason]}"
