"""What a record of a table says: a watermark, a part of a state, or nothing that can be read. Pure.

A state that cannot be read may hold an opt-out. Its subject is held until a readable one comes: everything that needs
consent is denied to it (of an account: to all its contacts). An operator's subject that decisions depend on cannot be
held: its record says `Unreadable` with nothing to take instead, and the gateway allows nothing at all meanwhile.
"""

import re
from typing import Any, Final, NamedTuple

import orjson
from pydantic import ValidationError

from consumers.gateway.ports import Place, Record
from projections import history
from projections.fold import unpacked
from projections.reference_data import Reference
from projections.statement import Fields
from schemas.distributed import Watermark
from schemas.states import part_key
from schemas.subject import SubjectKind
from schemas.topics import TABLE_OF, WATERMARK, Table, watermark_key

REFERENCE: Final = re.compile(r"[0-9a-f]{32}")
RESERVED: Final = "~"
NO_EVENT: Final = "00000000-0000-7000-8000-000000000000"
"""Named as the evidence of such a hold: no event of the ledger has this id."""
KIND: Final[dict[Table, SubjectKind]] = {"by-number": "number", "by-account": "account", "reference": "operator"}
FAULTS = (ValueError, KeyError, TypeError, AttributeError, IndexError, ValidationError)


class Unreadable(NamedTuple):
    """A record that cannot be read, why, and what is taken instead."""

    subject: str
    reason: str
    instead: Fields | None


def read(place: Place, record: Record) -> Watermark | Fields | Unreadable | None:
    """What a record says; None for one under a reserved key that says nothing to a gateway."""
    key = (record.key or b"").decode("utf-8", "replace")
    if key.startswith(RESERVED):
        return _watermark(place, key, record.value)
    try:
        part = unpacked(record.value or b"")
        must_fit(place, key, part)
    except FAULTS as error:
        return unreadable(place, key, f"it is no part of a state: {_first(error)}")
    return part


def _watermark(place: Place, key: str, value: bytes | None) -> Watermark | Unreadable | None:
    if key != watermark_key(place.partition):
        return Unreadable(key, "a watermark of another partition", None) if key.startswith(WATERMARK) else None
    try:
        return Watermark.model_validate_json(value or b"")
    except ValidationError as error:
        return Unreadable(key, f"it is no watermark: {_first(error)}", None)


def must_fit(place: Place, key: str, part: Fields) -> None:
    """Raises one of FAULTS for a part that does not belong where it stands, or of which nothing can be made."""
    subject, number = part["subject"], part["part"]
    if part_key(subject, number) != key:
        raise ValueError(f"its subject is {subject!r}")
    if TABLE_OF[part["kind"]] != place.table:
        raise ValueError(f"a {part['kind']} does not belong into {place.table}")
    if place.table == "reference":
        _must_be_usable(subject, part)
    elif not REFERENCE.fullmatch(subject):
        raise ValueError("its subject is no reference")
    elif (
        part.get("parts") != 1
    ):  # what stands of several parts is worked out when it is asked for: too late to find out
        (history.account if place.table == "by-account" else history.contact)([part])


def _must_be_usable(subject: str, part: Fields) -> None:
    """All that a decision will ask of it, asked once."""
    said = Reference({subject: [part]})
    for each in (said.policies, said.switches, said.senders):
        len(each)


def unreadable(place: Place, key: str, reason: str) -> Unreadable:
    """What a record is that cannot be read, with what is taken instead of it."""
    subject = key.partition("#")[0]
    if place.table == "reference" or not REFERENCE.fullmatch(subject):
        return Unreadable(subject, reason, None)
    return Unreadable(subject, reason, held(KIND[place.table], subject, place.partition))


def held(kind: SubjectKind, subject: str, partition: int) -> Fields:
    """The state of a subject of which nothing is known but that it is to be left alone."""
    entry: dict[str, Any] = {
        "type": "FollowUpOpened", "event_id": NO_EVENT, "holds": True, "reason": "unreadable-state",
        "offset": 0, "recorded_at": 0, "occurred_at": 0, "idempotency_key": "0" * 32, "content": "0" * 32,
    }  # fmt: skip
    return {
        "kind": kind, "subject": subject, "part": 0, "parts": 1, "partition": partition, "offset": 0,
        "entries": [entry],
    }  # fmt: skip


def _first(error: Exception) -> str:
    if isinstance(error, orjson.JSONDecodeError):
        return "no JSON"
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
