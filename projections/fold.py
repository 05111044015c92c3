"""The fold: a state and an event make the next state. Pure: no clock, no I/O, nothing kept between calls.

A state only grows, by one small entry an event, and nothing of it is dropped: corrections, leavings and questions
about the past may need any of it (`docs/decisions/0003-states-are-short-histories.md`). Its size stays bounded part by
part; an event writes the last part, and the first when a part is begun.
"""

from collections.abc import Callable, Mapping

import orjson

from ledger.log import Recorded
from projections import account, operator, preference
from projections.statement import Fields
from schemas.events import Event
from schemas.states import PART_SIZE, part_key
from schemas.subject import SubjectKind

StateFields = Fields
ADDS: Mapping[SubjectKind, Callable[[Event], Fields]] = {
    "number": preference.adds,
    "email": preference.adds,
    "account": account.adds,
    "operator": operator.adds,
}


def fold(first: StateFields | None, last: StateFields | None, recorded: Recorded, event: Event) -> list[StateFields]:
    """The parts that an event changes, given the first and the last part of its subject (None: there are none).

    An event that the state has seen already changes nothing: [] is returned. Events of one subject come in the
    order of the log, repeated at will.
    """
    offset = recorded.position.offset
    if first is None or last is None:
        return [_begun(recorded, event, 0, parts=1)]
    if offset <= last["offset"]:
        return []
    if len(last["entries"]) < PART_SIZE:
        return [last | {"offset": offset, "entries": [*last["entries"], entry(recorded, event)]}]
    part = last["part"] + 1
    return [first | {"parts": part + 1}, _begun(recorded, event, part)]


def _begun(recorded: Recorded, event: Event, part: int, parts: int | None = None) -> StateFields:
    partition, offset = recorded.position
    state = {"kind": event.kind, "subject": event.subject, "part": part}
    if parts is not None:
        state["parts"] = parts
    return state | {"partition": partition, "offset": offset, "entries": [entry(recorded, event)]}


def entry(recorded: Recorded, event: Event) -> Fields:
    """What every entry has, and what this event adds; what is absent is left out."""
    recorded_at, occurred_at = recorded.recorded_at, event.occurred_at
    fields: Fields = {
        "type": event.type,
        "event_id": event.event_id,
        "offset": recorded.position.offset,
        "recorded_at": recorded_at,
        "occurred_at": occurred_at if occurred_at < recorded_at else recorded_at,
        "key": event.idempotency_key,
        "content": event.content,
    }
    for name, value in ADDS[event.kind](event).items():
        if value is not None:
            fields[name] = value
    return fields


def key_of(state: StateFields) -> str:
    """The key under which a part is kept."""
    return part_key(state["subject"], state["part"])


def to_bytes(state: StateFields) -> bytes:
    """The stored form of a part: the same events give the same bytes."""
    return orjson.dumps(state, option=orjson.OPT_SORT_KEYS)


def from_bytes(stored: bytes) -> StateFields:
    """The part behind its stored form."""
    state: StateFields = orjson.loads(stored)
    return state
