"""The fold: a state and an event make the next state. Pure: no clock, no I/O, nothing kept between calls.

A state only grows, by one small entry an event, and nothing of it is dropped: corrections, leavings and questions
about the past may need any of it (`docs/decisions/0003-states-are-short-histories.md`). Its size stays bounded part by
part; an event writes the last part, and the first when a part is begun.

While it is folded a part holds its entries as the bytes that will be stored: a rebuild has millions of them, and bytes
cost neither the garbage collector nor a second encoding.
"""

from typing import NamedTuple

import orjson

from ledger.log import Recorded
from projections.statement import Fields
from schemas.json_bytes import kept
from schemas.states import PART_SIZE, part_key
from schemas.subject import SubjectKind


class Part(NamedTuple):
    """A part of a state while it is folded; `parts`, in the first one, says how many there are."""

    kind: SubjectKind
    subject: str
    part: int
    parts: int | None
    partition: int
    offset: int
    entries: tuple[bytes, ...]


def fold(first: Part | None, last: Part | None, recorded: Recorded, event: Fields) -> list[Part]:
    """The parts that an event (as `reading.read` gives it) changes; `first` and `last` are those of its subject now.

    An event that the state has seen already changes nothing: [] is returned. Events of one subject come in the
    order of the log, repeated at will.
    """
    offset = recorded.position.offset
    if first is None or last is None:
        return [_begun(recorded, event, 0, parts=1)]
    if offset <= last.offset:
        return []
    if len(last.entries) < PART_SIZE:
        kind, subject, part, parts, partition, _, entries = last
        return [Part(kind, subject, part, parts, partition, offset, (*entries, entry(recorded, event)))]
    part = last.part + 1
    return [first._replace(parts=part + 1), _begun(recorded, event, part, parts=None)]


def fold_upon(parts: list[Part], recorded: Recorded, event: Fields) -> None:
    """Folds an event upon all the parts of its subject, which the caller keeps."""
    for part in fold(parts[0], parts[-1], recorded, event) if parts else fold(None, None, recorded, event):
        if part.part < len(parts):
            parts[part.part] = part
        else:
            parts.append(part)


def _begun(recorded: Recorded, event: Fields, part: int, parts: int | None) -> Part:
    partition, offset = recorded.position
    return Part(event["kind"], event["subject"], part, parts, partition, offset, (entry(recorded, event),))


def entry(recorded: Recorded, event: Fields) -> bytes:
    """What an event adds: what was read of it, its place in the log, and the time from which it counts."""
    recorded_at, said_at = recorded.recorded_at, event["occurred_at"]
    counts_from = said_at if said_at < recorded_at else recorded_at
    place = {"offset": recorded.position.offset, "recorded_at": recorded_at, "occurred_at": counts_from}
    fields = event | place
    del fields["kind"], fields["subject"], fields["schema_version"]
    return kept(fields)


def key_of(part: Part) -> str:
    """The key under which a part is kept."""
    return part_key(part.subject, part.part)


def to_bytes(part: Part) -> bytes:
    """The stored form of a part: the same events give the same bytes."""
    head = orjson.dumps(_shown(part))  # without the entries, which are JSON already
    return head[:-1] + b',"entries":[' + b",".join(part.entries) + b"]}"


def to_fields(part: Part) -> Fields:
    """A part as its stored form says it, to be asked."""
    return _shown(part) | {"entries": [orjson.loads(entry) for entry in part.entries]}


def _shown(part: Part) -> Fields:
    """A part without its entries."""
    kind, subject, number, parts, partition, offset, _ = part
    if parts is None:
        return {"kind": kind, "subject": subject, "part": number, "partition": partition, "offset": offset}
    return {"kind": kind, "subject": subject, "part": number, "parts": parts, "partition": partition, "offset": offset}


def from_bytes(stored: bytes) -> Part:
    """The part behind its stored form, to be folded further: the entries get the very bytes back that they had."""
    fields: Fields = {"parts": None} | unpacked(stored)
    return Part(**fields)._replace(entries=tuple(map(kept, fields["entries"])))


def unpacked(stored: bytes) -> Fields:
    """What the stored form of a part says, to be asked."""
    fields: Fields = orjson.loads(stored)
    return fields
