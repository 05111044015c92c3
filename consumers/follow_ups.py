"""The human queue: what a person has to look at, who does, and whether it is done."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from consumers.history_scan import every_event
from ledger.log import Log
from schemas.events import FollowUpAssigned, FollowUpOpened, FollowUpResolved
from schemas.times import rfc3339


class FollowUp(NamedTuple):
    """One follow-up as it stands; `assignee` is the reference of an agent."""

    opened: FollowUpOpened
    assignee: str | None
    resolution: str | None


def follow_ups(log: Log) -> list[FollowUp]:
    """All follow-ups, oldest first; a repetition of one in the log is none."""
    found: dict[str, FollowUp] = {}
    keys: set[str] = set()
    for _, event in every_event(log):
        match event:
            case FollowUpOpened() if event.idempotency_key not in keys:
                keys.add(event.idempotency_key)
                found[event.event_id] = FollowUp(event, None, None)
            case FollowUpAssigned() if event.follow_up in found:
                found[event.follow_up] = found[event.follow_up]._replace(assignee=event.assignee)
            case FollowUpResolved() if event.follow_up in found:
                found[event.follow_up] = found[event.follow_up]._replace(resolution=event.resolution)
    return list(found.values())


def refs_in(listed: Iterable[FollowUp]) -> set[str]:
    """The references of people that follow-ups name."""
    listed = list(listed)
    return {one.opened.subject for one in listed} | {one.assignee for one in listed if one.assignee}


def as_json(one: FollowUp, names: Mapping[str, str]) -> dict[str, Any]:
    """One line of `follow-ups list --json`."""
    opened = one.opened
    return {
        "follow_up": opened.event_id,
        "subject": names[opened.subject],
        "ref": opened.subject,
        "reason": opened.reason,
        "holds": opened.holds,
        "about": opened.causation_id,
        "opened_at": rfc3339(opened.occurred_at),
        "due_at": rfc3339(opened.due_at) if opened.due_at else None,
        "assignee": names[one.assignee] if one.assignee else None,
        "state": "resolved" if one.resolution else "assigned" if one.assignee else "open",
        "resolution": one.resolution,
    }
