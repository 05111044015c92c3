"""The timeline of a subject: every event about it, and about every account that it was ever in, in one order."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from consumers.opened import Ledger
from consumers.wording import event_in_words, masked
from ledger.log import Recorded
from schemas.encoding import UnreadableEvent, decode
from schemas.events import Event, PreferenceGranted, PreferenceRevoked
from schemas.times import rfc3339


class Item(NamedTuple):
    """One event of a timeline; `via` is the account through which it concerns the subject, by reference."""

    recorded: Recorded
    event: Event
    via: str | None


def timeline(ledger: Ledger, ref: str) -> list[Item]:
    """The events of a subject (by reference), oldest record first."""
    own = list(_events(ledger, ref, None))
    accounts = sorted({item.event.account for item in own if hasattr(item.event, "account")})
    through = [item for account in accounts for item in _events(ledger, account, account)]
    return sorted(own + through, key=lambda item: (item.recorded.recorded_at, item.recorded.position))


def _events(ledger: Ledger, ref: str, via: str | None) -> Iterator[Item]:
    for recorded in ledger.log.read_subject(ref):
        try:
            yield Item(recorded, decode(recorded.value), via)
        except UnreadableEvent:
            continue  # `doctor` reports it


def refs_in(items: list[Item]) -> set[str]:
    """The references of people that the events of a timeline name."""
    refs = {item.via for item in items if item.via}
    for item in items:
        actor = item.event.actor.partition(":")
        refs |= {actor[2]} if actor[0] in ("agent", "person") else set()
        refs |= {ref for ref in (getattr(item.event, "account", None), getattr(item.event, "assignee", None)) if ref}
    return refs


def as_json(item: Item, names: Mapping[str, str]) -> dict[str, Any]:
    """One line of `timeline --json`."""
    recorded, event, via = item
    scope = event.scope if isinstance(event, PreferenceGranted | PreferenceRevoked) else None
    line = {
        "event_id": event.event_id,
        "type": event.type,
        "occurred_at": rfc3339(event.occurred_at),
        "recorded_at": rfc3339(recorded.recorded_at),
        "position": list(recorded.position),
        "via": names[via] if via else None,
        "actor": actor_in_words(event, names),
        "procedure": event.capture.procedure,
        "flags": list(event.flags),
        "source": event.capture.source,
        "says": event_in_words(event, names),
        "scope": scope and scope.model_dump(),
        "evidence": event.evidence and event.evidence.model_dump(exclude_none=True),
    }
    return line


def actor_in_words(event: Event, names: Mapping[str, str]) -> str:
    """Who made the change: `agent:alice`, `person` where it was the subject, a system's code."""
    kind, _, id_ = event.actor.partition(":")
    if kind == "person":
        return "person" if id_ == event.subject else f"person:{names[id_]}"
    return names[id_] if kind == "agent" else event.actor


def names_of(ledger: Ledger, items: list[Item]) -> Mapping[str, str]:
    """How the references of a timeline may be shown."""
    return masked(ledger.people, refs_in(items))


def in_words(items: list[Item], names: Mapping[str, str]) -> Iterator[str]:
    """A timeline as a person reads it: when it was said, what, by whom, under which procedure, what was flagged."""
    for recorded, event, via in items:
        yield f"{rfc3339(event.occurred_at)}  {names[via] + ': ' if via else ''}{event_in_words(event, names)}"
        how = f"through {event.capture.source}{_procedure(event)}{_late(recorded, event)}"
        yield f"    by {actor_in_words(event, names)} {how}"
        if event.flags:
            yield f"    flagged {', '.join(event.flags)}"


def _procedure(event: Event) -> str:
    return f", procedure {event.capture.procedure}" if event.capture.procedure else ""


def _late(recorded: Recorded, event: Event) -> str:
    late = recorded.recorded_at - event.occurred_at > 1_000
    return f", recorded {rfc3339(recorded.recorded_at)}" if late else ""
