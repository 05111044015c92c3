"""`explain`: why one message was allowed or not, from its record, the events behind it, and the ledger once more."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from consumers.decisions.replaying import Replayed, Replayer, said_by_verdict
from consumers.timeline_lines import actor_in_words
from consumers.wording import REASONS, event_in_words, masked
from ledger.decisions import Decisions, Stored
from ledger.errors import UnknownEventError
from ledger.log import Log, Recorded
from ledger.people import People
from schemas.encoding import decode
from schemas.errors import InputError, shown
from schemas.events import Event
from schemas.times import rfc3339


class Explained(NamedTuple):
    """A decision on record; the events that it names (None: the ledger has none of that id); what it comes out as."""

    logged_at: int
    replayed: Replayed
    events: Mapping[str, tuple[Recorded, Event] | None]
    names: Mapping[str, str]

    @property
    def is_same(self) -> bool:
        """Whether the ledger gives the very answer that is on record."""
        return not self.replayed.differences() and None not in self.events.values()


def find(decisions: Decisions, decision_id: str) -> Stored:
    """A decision on record. Raises InputError, UnknownEventError, UnavailableError."""
    try:
        name = str(UUID(decision_id))
    except ValueError:
        raise InputError(f"{shown(decision_id)} is no decision id; decide --json prints one as decision_id") from None
    stored = decisions.find(name)
    if stored is None:
        raise UnknownEventError(
            f"no decision {name} is on record: it was not logged (a question without --log, a gateway with "
            "--no-log-decisions), or is older than decisions are kept"
        )
    return stored


def explain(log: Log, people: People, stored: Stored) -> Explained:
    """A decision, explained. Raises UnreadableDecisionError, UnavailableError."""
    decision = stored.read()
    replayed = Replayer(log).replay(decision)
    ids = dict.fromkeys((*decision.evidence, *replayed.verdict.evidence))
    found = {id_: log.find(id_) for id_ in ids}
    events = {id_: one and (one, decode(one.value)) for id_, one in found.items()}
    said = [pair[1] for pair in events.values() if pair]
    names = masked(people, {decision.subject, *(ref for event in said for ref in _refs(event))})
    return Explained(stored.logged_at, replayed, events, names)


def _refs(event: Event) -> Iterator[str]:
    yield event.subject
    yield event.actor.partition(":")[2]
    if account := getattr(event, "account", None):
        yield account


def as_json(found: Explained) -> dict[str, Any]:
    """As `explain --json` prints it: the keys of `decide --json`, then what the ledger says to them."""
    decision, verdict, _ = found.replayed
    return {
        "decision_id": decision.decision_id,
        "subject": found.names[decision.subject],
        "ref": decision.subject,
        "channel": decision.channel,
        "purpose": decision.purpose,
        "brand": decision.brand,
        "sender": decision.sender,
        "jurisdiction": decision.jurisdiction,
        "at": rfc3339(decision.at),
        "allowed": decision.allowed,
        "reason": decision.reason,
        "rule": decision.rule,
        "policy": decision.policy,
        "evidence": list(decision.evidence),
        "watermark": {str(partition): offset for partition, offset in decision.watermark.items()},
        "staleness_s": None if decision.staleness_ms is None else decision.staleness_ms / 1000,
        "shadow": decision.shadow,
        "gateway": decision.gateway,
        "process": decision.process,
        "logged_at": rfc3339(found.logged_at),
        "events": [_event(id_, pair, found.names) for id_, pair in found.events.items()],
        "replayed": {
            "same": found.is_same,
            **said_by_verdict(verdict),
            "differences": [difference._asdict() for difference in found.replayed.differences()],
        },
    }


def _event(id_: str, pair: tuple[Recorded, Event] | None, names: Mapping[str, str]) -> dict[str, Any]:
    if pair is None:
        return {"event_id": id_, "type": None}
    recorded, event = pair
    return {
        "event_id": id_,
        "type": event.type,
        "subject": names[event.subject],
        "says": event_in_words(event, names),
        "occurred_at": rfc3339(event.occurred_at),
        "recorded_at": rfc3339(recorded.recorded_at),
        "position": list(recorded.position),
        "actor": actor_in_words(event, names),
        "procedure": event.capture.procedure,
    }


def in_words(found: Explained) -> Iterator[str]:
    """As a person reads it."""
    decision, names = found.replayed.decision, found.names
    answer = "Allowed" if decision.allowed else "Denied"
    shadow = " (in shadow mode: it was answered as allowed)" if decision.shadow else ""
    yield f"{answer}: {decision.reason} ({REASONS[decision.reason]}){shadow}"
    yield f"  {names[decision.subject]}, {decision.channel}, {decision.purpose}, brand {decision.brand}"
    yield f"  asked at {rfc3339(decision.at)} of gateway {decision.gateway}, logged at {rfc3339(found.logged_at)}"
    yield f"  by rule {decision.rule} and policy {decision.policy}"
    marks = ", ".join(f"{partition}: {offset}" for partition, offset in sorted(decision.watermark.items()))
    yield f"  from the ledger up to {{{marks}}}, {_age(decision.staleness_ms)}"
    for id_, pair in found.events.items():
        yield from _event_in_words(id_, pair, names)
    yield from _replayed_in_words(found)


def _age(staleness_ms: int | None) -> str:
    return "by a copy that never was current" if staleness_ms is None else f"a copy {staleness_ms / 1000:g} s old"


def _event_in_words(id_: str, pair: tuple[Recorded, Event] | None, names: Mapping[str, str]) -> Iterator[str]:
    if pair is None:
        yield f"  because of event {id_}, which is not in the ledger"
        return
    recorded, event = pair
    yield f"  because {names[event.subject]} {event_in_words(event, names)}"
    procedure = f", procedure {event.capture.procedure}" if event.capture.procedure else ""
    place = tuple(recorded.position)
    yield f"    said {rfc3339(event.occurred_at)}, recorded {rfc3339(recorded.recorded_at)} at {place}"
    yield f"    by {actor_in_words(event, names)}{procedure}, event {id_}"


def _replayed_in_words(found: Explained) -> Iterator[str]:
    if found.is_same:
        yield "Replayed from the ledger at that watermark and time: the same answer, in every field"
        return
    yield "Replayed from the ledger at that watermark and time: NOT the same answer"
    for difference in found.replayed.differences():
        yield f"  {difference.in_words()}"
