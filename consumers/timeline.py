"""The timeline of a subject: every event about it, and about every account that it was ever in, in one order.

An account's statements stand in it from the first one on, also those from before the contact joined and from after it
left: of each it is said whether it counts for the contact now, and why (`projections/bearing.py`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from consumers.happenings import Happening, Happenings, together
from consumers.history_scan import events_of
from consumers.opened import Ledger
from consumers.wording import masked
from ledger.log import Position, Recorded
from ledger.record import system_clock
from projections import history
from projections.bearing import Bearing, Statement, of_account, of_hold, of_own
from projections.collecting import unsearched
from projections.membership import Moment, Spells
from projections.reference_data import Reference
from projections.standing import CORRECTABLE, corrected, standing
from projections.statement import Fields
from schemas.events import (
    OPERATOR_POLICY,
    ContactLinked,
    ContactUnlinked,
    Event,
    FollowUpAssigned,
    FollowUpOpened,
    FollowUpResolved,
    PreferenceGranted,
    PreferenceRevoked,
    StatementCorrected,
)
from schemas.policy import Policy

new = tuple.__new__  # of a named tuple: a third of the time of its own constructor


class Item(NamedTuple):
    """One event of a timeline; `via` is the account through which it concerns the subject, by reference.

    `bearing`: whether and why what it says counts for the subject now; None where that is no question.
    """

    recorded: Recorded
    event: Event
    via: str | None = None
    bearing: Bearing | None = None

    @property
    def at(self) -> int:
        """When it was recorded, in milliseconds."""
        return self.recorded.recorded_at


STATEMENTS = (PreferenceGranted, PreferenceRevoked)
Told = Item | Happening
"""What a timeline is made of."""


def timeline(ledger: Ledger, ref: str, at: int | None = None) -> list[Item]:
    """The events of a subject (by reference), oldest record first; `at`: when they shall count, now by default."""
    with unsearched():
        own = list(events_of(ledger.log, ref))
        accounts = sorted({event.account for _, event in own if isinstance(event, ContactLinked | ContactUnlinked)})
        when = system_clock() if at is None else at
        policy = Reference({OPERATOR_POLICY: ledger.view().parts(OPERATOR_POLICY)}).policy(when)
        contact = history.contact(_parts(own))
        items = [_own_item(pair, contact, policy, when) for pair in _judged(own)]
        spells = dict(contact.accounts)
        for account in accounts:
            items += _through(account, list(events_of(ledger.log, account)), spells.get(account, ()), policy, when)
        return sorted(items, key=_place)


def whole(ledger: Ledger, ref: str, sources: Collection[Happenings], at: int | None = None) -> list[Told]:
    """The timeline with what others tell of it; a happening comes after the events of its moment."""
    items = timeline(ledger, ref, at)
    happened = together(sources, ref, [(item.recorded, item.event) for item in items]) if sources else []
    if not happened:
        return [*items]
    return sorted([*items, *happened], key=_moment)  # stable: an event stands before what came of it


def _place(item: Item) -> tuple[int, Position]:
    position, recorded_at, _, _ = item[0]
    return recorded_at, position


def _moment(told: Told) -> int:
    return told.at


Pair = tuple[Recorded, Event]


class _Judged(NamedTuple):
    """An event, and what takes it out: a correction, or an earlier event of which it is a repetition."""

    pair: Pair
    out: Bearing | None


def _judged(events: Sequence[Pair]) -> Iterator[_Judged]:
    keys = {event.idempotency_key for _, event in events}
    if len(keys) == len(events) and not any(event.type == "StatementCorrected" for _, event in events):
        return (_Judged(pair, None) for pair in events)  # nearly always: nothing was repeated, nothing corrected
    return _judged_one_by_one(events)


def _judged_one_by_one(events: Sequence[Pair]) -> Iterator[_Judged]:
    entries = [_entry(*pair) for pair in events]
    stands = {entry["offset"] for entry in standing(entries)}
    wrong = corrected(entries)
    for recorded, event in events:
        out: Bearing | None = None
        if event.type in CORRECTABLE and recorded.position.offset not in stands:
            if event.event_id in wrong:
                out = "corrected"
            elif event.type != "StatementCorrected":
                out = "repeated"
        yield _Judged((recorded, event), out)


def _own_item(judged: _Judged, contact: history.Contact, policy: Policy, at: int) -> Item:
    (recorded, event), bearing = judged
    if bearing is None and isinstance(event, STATEMENTS):
        bearing = of_own(_statement(recorded, event), contact, policy, at)
    elif bearing is None and event.type in CORRECTABLE:
        bearing = "own"
    return new(Item, (recorded, event, None, bearing))


def _through(account: str, events: Sequence[Pair], spells: Spells, policy: Policy, at: int) -> Iterator[Item]:
    """An account's events as they concern a contact that was in it at some time."""
    holds = {hold.event_id: hold for hold in history.account(_parts(events)).holds}
    for (recorded, event), out in _judged(events):
        bearing = out
        if out is None and isinstance(event, STATEMENTS):
            bearing = of_account(_statement(recorded, event), spells, policy, at)
        elif out is None and (hold := holds.get(event.event_id)):
            bearing = of_hold(hold.opened, hold.resolved, spells, at)
        yield new(Item, (recorded, event, account, bearing))


def _statement(recorded: Recorded, event: PreferenceGranted | PreferenceRevoked) -> Statement:
    (partition, offset), recorded_at, _, _ = recorded
    moment = new(Moment, (min(event.occurred_at, recorded_at), recorded_at, partition, offset))
    return new(Statement, (moment, event.valid_until, event.basis if event.type == "PreferenceGranted" else None))


def _parts(events: Sequence[Pair]) -> list[Fields]:
    """The events as the one part of a state, for what is asked of states: who was in an account, what holds."""
    if not events:
        return []
    entries = [_entry(*pair) for pair in events if pair[1].type not in ("PreferenceGranted", "PreferenceRevoked")]
    return [{"partition": events[0][0].position.partition, "entries": entries}]


def _entry(recorded: Recorded, event: Event) -> Fields:
    entry: Fields = {
        "type": event.type,
        "event_id": event.event_id,
        "idempotency_key": event.idempotency_key,
        "content": event.content,
        "offset": recorded.position.offset,
        "recorded_at": recorded.recorded_at,
        "occurred_at": min(event.occurred_at, recorded.recorded_at),
    }
    match event:
        case ContactLinked() | ContactUnlinked():
            entry["account"] = event.account
        case StatementCorrected():
            entry["corrects"] = event.corrects
        case FollowUpOpened():
            entry["holds"] = event.holds
        case FollowUpResolved():
            entry["follow_up"] = event.follow_up
    return entry


def refs_in(items: Sequence[Told]) -> set[str]:
    """The references of people that the events of a timeline name."""
    events = [item.event for item in items if isinstance(item, Item)]
    actors = {event.actor for event in events}
    refs = {actor.partition(":")[2] for actor in actors if actor.startswith(("agent:", "person:"))}
    for event in events:
        if isinstance(event, ContactLinked | ContactUnlinked):
            refs.add(event.account)
        elif isinstance(event, FollowUpAssigned):
            refs.add(event.assignee)
    return refs | {item.via for item in items if isinstance(item, Item) and item.via}


def names_of(ledger: Ledger, items: Sequence[Told]) -> Mapping[str, str]:
    """How the references of a timeline may be shown."""
    return masked(ledger.people, refs_in(items))
