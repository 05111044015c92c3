"""The human queue: what a person has to look at, who does, and whether it is done."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from consumers.history_scan import every_event
from ledger.log import Log
from schemas.events import Event, FollowUpAssigned, FollowUpOpened, FollowUpResolved
from schemas.times import rfc3339


class FollowUp(NamedTuple):
    """One follow-up as it stands; `assignee` is the reference of an agent."""

    opened: FollowUpOpened
    assignee: str | None
    resolution: str | None


class Queue:
    """Follow-ups as the events of a log make them, taken in the order of the log."""

    def __init__(self) -> None:
        self._found: dict[str, FollowUp] = {}
        self._keys: set[str] = set()

    def take(self, event: Event) -> None:
        """An event; a repetition of a follow-up in the log is none, and most events are about something else."""
        match event:
            case FollowUpOpened() if event.idempotency_key not in self._keys:
                self._keys.add(event.idempotency_key)
                self._found[event.event_id] = FollowUp(event, None, None)
            case FollowUpAssigned() if event.follow_up in self._found:
                self._found[event.follow_up] = self._found[event.follow_up]._replace(assignee=event.assignee)
            case FollowUpResolved() if event.follow_up in self._found:
                self._found[event.follow_up] = self._found[event.follow_up]._replace(resolution=event.resolution)

    def listed(self) -> list[FollowUp]:
        """All follow-ups, oldest first."""
        return list(self._found.values())


def follow_ups(log: Log) -> list[FollowUp]:
    """All follow-ups of a log, oldest first."""
    queue = Queue()
    for _, event in every_event(log):
        queue.take(event)
    return queue.listed()


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
