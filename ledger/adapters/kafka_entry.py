"""What a record of the ledger topic says about idempotency: in its value, or, where that does not say it, in headers.

An event's own fields have all of it, so that the records of real events have no headers and any reader of the topic
sees the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from ledger.log import Entry, Position

EVENT_ID, CLAIM, CONTENT, FREES, RECLAIMS = HEADERS = ("event-id", "claim", "content", "frees", "reclaims")
ORIGINAL_POSITION = "original-position"

Headers = Sequence[tuple[str, bytes]]


class Facts(NamedTuple):
    """The idempotency of one record. `reclaims` may be "?": what the correction that it corrects had freed."""

    event_id: str
    claim: str
    content: str
    frees: str | None = None
    reclaims: str | None = None


UNKNOWN = "?"
"""A value says what its event corrects, but not what that one corrected: who folds the log knows."""


def facts_of(value: bytes, headers: Headers) -> Facts | None:
    """What a record says; None for one that says nothing of the kind."""
    said = {name: raw.decode("utf-8", "replace") for name, raw in headers if name in HEADERS}
    if EVENT_ID in said:
        return Facts(said[EVENT_ID], said.get(CLAIM, ""), said.get(CONTENT, ""), said.get(FREES), said.get(RECLAIMS))
    return _of_value(value)


def headers_of(entry: Entry) -> list[tuple[str, bytes]]:
    """The headers that an entry needs: none, if its value says the same."""
    told = _of_value(entry.value)
    if told is not None and told[:4] == (entry.event_id, entry.claim, entry.content, entry.frees):
        return []
    said = (entry.event_id, entry.claim, entry.content, entry.frees, entry.reclaims)
    return [(name, text.encode()) for name, text in zip(HEADERS, said, strict=True) if text is not None]


def origins_of(headers: Headers) -> tuple[Position, ...]:
    """Where an entry stood in the logs that it was moved from, the first one first. Raises ValueError."""
    said = [raw.split(b"/") for name, raw in headers if name == ORIGINAL_POSITION]
    return tuple(Position(int(partition), int(offset)) for partition, offset in said)


def origin_headers(was: Sequence[Position]) -> tuple[tuple[str, bytes], ...]:
    """The headers that say so."""
    return tuple((ORIGINAL_POSITION, b"%d/%d" % position) for position in was)


def _of_value(value: bytes) -> Facts | None:
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict):
        return None
    told = [fields.get(name) for name in ("event_id", "idempotency_key", "content")]
    if not all(isinstance(text, str) for text in told):
        return None
    event_id, claim, content = map(str, told)
    if fields.get("type") == "StatementCorrected" and isinstance(fields.get("corrects"), str):
        return Facts(event_id, claim, content, fields["corrects"], UNKNOWN)
    return Facts(event_id, claim, content)
