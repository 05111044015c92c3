"""Events as bytes. The bytes stored are the bytes hashed: they are made once, here, and never re-encoded."""

import hashlib
import re
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.errors import InputError
from schemas.events import EVENT, Event
from schemas.upcast import UPCASTERS, upcast

NOT_CONTENT = {
    "event_id", "occurred_at", "received_at", "evidence", "idempotency_key", "content",
    "correlation_id", "causation_id", "flags", "schema_version", "due_at",
}  # fmt: skip
_EVENT = EVENT.validator  # without the adapter's own call, which costs as much as a small event
RETIRED = re.compile("|".join(f'"{name}"' for name, _version in UPCASTERS).encode())


class UnreadableEvent(InputError):
    """Stored bytes are no event of the closed set: poison, to be set aside and reported, never dropped."""


def encode(event: Event) -> bytes:
    """The stored form: JSON in UTF-8, fields in the order of the model, what is absent left out."""
    return event.model_dump_json(exclude_none=True).encode()


def decode(value: bytes) -> Event:
    """The event behind stored bytes, in its newest version. Raises UnreadableEvent."""
    try:
        retired = newest(value)
        event: Event = _EVENT.validate_json(value) if retired is None else _EVENT.validate_python(retired)
    except (ValidationError, ValueError) as error:
        raise UnreadableEvent(f"no event: {first_line(error)}") from error
    return event


def newest(value: bytes) -> dict[str, Any] | None:
    """The fields of an event of a type with retired versions, upcast to the newest; None for all other types.

    Raises ValueError for bytes that only look like one.
    """
    if not RETIRED.search(value):
        return None
    fields = orjson.loads(value)
    if not isinstance(fields, dict):
        raise ValueError("it is no object")
    return upcast(fields)


def first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
    return str(error).splitlines()[0]


def content_digest(fields: dict[str, object]) -> str:
    """What makes two events of one subject and key the same: all fields but times, ids, evidence and flags.

    `fields` is an event's JSON form. The validity of a statement is part of what it says, and so of its content.
    """
    return hashlib.sha256(content_of(fields)).hexdigest()[:32]


def content_of(fields: dict[str, object]) -> bytes:
    """What `content_digest` is made of."""
    said = {name: value for name, value in fields.items() if name not in NOT_CONTENT and value is not None}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
