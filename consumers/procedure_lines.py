"""What was found about procedures as it is read: a JSON object a line, a row of an export, or words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from consumers.affected import Affected, Standing
from consumers.procedures import Misstep, Version
from consumers.wording import event_in_words
from schemas.times import rfc3339

Names = Mapping[str, str]

COLUMNS: Final[dict[str, type]] = {
    "kind": str, "event_id": str, "type": str, "subject": str, "ref": str, "account": str, "account_ref": str,
    "says": str, "procedure": str, "standing": str, "actor": str, "occurred_at": datetime, "recorded_at": datetime,
    "flagged": bool, "because": list, "state": str, "reachable": list, "set_right_at": datetime, "evidence": list,
    "acknowledged_by": list, "not_acknowledged_by": list,
}  # fmt: skip
STATES: Final = {
    "set_right": "set right",
    "reachable": "can still be sent to",
    "silent": "nothing goes out, but nobody said no for it",
}


def misstep(step: Misstep, standing: Standing | None, names: Names) -> dict[str, Any]:
    """A change under a procedure that was not in force."""
    actor = step.event.actor
    return {
        "kind": "misstep",
        "event_id": step.event.event_id,
        "type": step.event.type,
        "subject": names[step.event.subject],
        "ref": step.event.subject,
        "says": event_in_words(step.event, names),
        "procedure": step.procedure,
        "standing": step.standing,
        "actor": names[actor.partition(":")[2]] if actor.startswith("agent:") else actor,
        "occurred_at": rfc3339(step.event.occurred_at),
        "recorded_at": rfc3339(step.recorded.recorded_at),
        "flagged": "procedure_withdrawn" in step.event.flags or "procedure_unknown" in step.event.flags,
        **_standing(standing),
    }


def affected(one: Affected, names: Names) -> dict[str, Any]:
    """Another contact of an account of which one was opted out so."""
    return {
        "kind": "affected",
        "subject": names[one.contact],
        "ref": one.contact,
        "account": names[one.account] if one.account else None,
        "account_ref": one.account,
        "procedure": one.procedure,
        "because": list(one.because),
        **_standing(one.standing),
    }


def _standing(standing: Standing | None) -> dict[str, Any]:
    if standing is None:
        return {"state": None, "reachable": [], "set_right_at": None, "evidence": []}
    at = standing.set_right_at
    return {
        "state": standing.state,
        "reachable": ["/".join(message) for message in standing.reachable],
        "set_right_at": None if at is None else rfc3339(at),
        "evidence": list(standing.evidence),
    }


def version(one: Version, names: Names) -> dict[str, Any]:
    """A version of a procedure with who acknowledged it and who has not."""
    return {
        "kind": "version",
        "procedure": one.procedure,
        "standing": one.standing,
        "acknowledged_by": [names[agent] for agent in one.acknowledged],
        "not_acknowledged_by": [names[agent] for agent in one.missing],
    }


def in_words(line: Mapping[str, Any]) -> str:
    """A line as a person reads it."""
    match line["kind"]:
        case "misstep":
            by = f"{line['actor']} under {line['procedure'] or 'no procedure'} ({line['standing']})"
            return f"{line['occurred_at']}  {line['subject']} {line['says']}, by {by}, event {line['event_id']}"
        case "affected":
            since = f" since {line['set_right_at']}" if line["set_right_at"] else ""
            return f"  also {line['subject']} of {line['account']}: {STATES[line['state']]}{since}"
    absent = f"; not yet by {', '.join(line['not_acknowledged_by'])}" if line["not_acknowledged_by"] else ""
    return f"{line['procedure']}: {line['standing']}; acknowledged by {len(line['acknowledged_by'])} agent(s){absent}"
