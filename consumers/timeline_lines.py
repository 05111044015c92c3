"""A timeline as it is read: a JSON object a line, or words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from consumers.happenings import Happening
from consumers.timeline import Item, Told
from consumers.wording import event_in_words
from projections.bearing import COUNTING, Bearing
from schemas.envelope import Evidence
from schemas.events import Event, PreferenceGranted, PreferenceRevoked
from schemas.times import rfc3339

WHY: Final[Mapping[Bearing, str]] = {
    "own": "",
    "member": "",
    "before_joining": "said before it joined; it counts all the same",
    "former_member": "it has left since; the no stays",
    "lifts_only": "no yes for this contact, which was not a member then or has left; it ends a no of the account",
    "corrected": "does not count: it was corrected",
    "repeated": "does not count again: it repeats an earlier event",
    "run_out": "does not count any more: it has run out",
    "before_reassignment": "does not count any more: somebody else holds the number since",
    "after_leaving": "does not count: it had left by then",
    "never_a_member": "does not count: it was not a member then",
}
SHORT = 1_000


def as_json(told: Told, names: Mapping[str, str]) -> dict[str, Any]:
    """One line of `timeline --json`."""
    if isinstance(told, Happening):
        line = {"type": told.type, "at": rfc3339(told.at), "about": told.about, "says": told.says}
        return line | dict(told.fields)
    recorded, event, via, bearing = told
    return {
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
        "scope": _scope(event),
        "evidence": _evidence(event.evidence),
        "counts": None if bearing is None else bearing in COUNTING,
        "why": bearing,
        "because_of": event.causation_id,
    }


def _scope(event: Event) -> dict[str, str] | None:
    if not isinstance(event, PreferenceGranted | PreferenceRevoked):
        return None
    return {"brand": event.scope.brand, "channel": event.scope.channel, "purpose": event.scope.purpose}


def _evidence(evidence: Evidence | None) -> dict[str, str] | None:
    if evidence is None:
        return None
    said = {"commitment": evidence.commitment, "kind": evidence.kind}
    return said if evidence.language is None else said | {"language": evidence.language}


def actor_in_words(event: Event, names: Mapping[str, str]) -> str:
    """Who made the change: `agent:alice`, `person` where it was the subject, a system's code."""
    kind, _, id_ = event.actor.partition(":")
    if kind == "person":
        return "person" if id_ == event.subject else f"person:{names[id_]}"
    return names[id_] if kind == "agent" else event.actor


def in_words(told: Iterable[Told], names: Mapping[str, str]) -> Iterator[str]:
    """A timeline as a person reads it: when it was said, what, by whom, under which procedure, on what evidence."""
    for one in told:
        if isinstance(one, Happening):
            yield f"{rfc3339(one.at)}  {one.says}"
            yield from (f"    {detail}" for detail in one.details)
        else:
            yield from _event_in_words(one, names)


def _event_in_words(item: Item, names: Mapping[str, str]) -> Iterator[str]:
    recorded, event, via, bearing = item
    yield f"{rfc3339(event.occurred_at)}  {names[via] + ': ' if via else ''}{event_in_words(event, names)}"
    procedure = f", procedure {event.capture.procedure}" if event.capture.procedure else ""
    late = recorded.recorded_at - event.occurred_at > SHORT
    when = f", recorded {rfc3339(recorded.recorded_at)}" if late else ""
    yield f"    by {actor_in_words(event, names)} through {event.capture.source}{procedure}{when}"
    if event.evidence:
        language = f" in {event.evidence.language}" if event.evidence.language else ""
        yield f"    evidence: {event.evidence.kind}{language}, commitment {event.evidence.commitment[:16]}…"
    if event.flags:
        yield f"    flagged {', '.join(event.flags)}"
    if bearing and WHY[bearing]:
        yield f"    {WHY[bearing]}"
