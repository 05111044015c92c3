"""A receipt as users see it: the JSON of `interface.md`, and words."""

from collections.abc import Iterator
from typing import Any

from ledger.record import Receipt
from schemas.times import rfc3339

FLAGS = {
    "widened_channel": "the channel is unknown and was widened to all channels",
    "widened_purpose": "the purpose is unknown and was widened to all purposes",
    "widened_brand": "the brand is unknown and was widened to all brands",
    "clamped_time": "its time was unclear or in the future, and counts as now",
    "procedure_withdrawn": "the procedure had been withdrawn",
    "procedure_unknown": "no procedure in force was named",
    "key_conflict": "the idempotency key had been used for something else",
    "past_unknown": "the past could not be asked",
}


def as_json(receipt: Receipt) -> dict[str, Any]:
    """The receipt with its time in RFC 3339."""
    return {
        "event_id": receipt.event_id,
        "recorded_at": rfc3339(receipt.recorded_at),
        "position": list(receipt.position),
        "idempotency_key": receipt.idempotency_key,
        "duplicate": receipt.duplicate,
        "flags": list(receipt.flags),
        "also": list(receipt.also),
        "follow_ups": list(receipt.follow_ups),
    }


def in_words(receipt: Receipt, done: str) -> Iterator[str]:
    """What was done, under which id and key, and what a person has to look at."""
    yield f"{done}{' (it had been recorded before)' if receipt.duplicate else ''}"
    yield f"  event    {receipt.event_id}, recorded at {rfc3339(receipt.recorded_at)}"
    yield f"  key      {receipt.idempotency_key}"
    if receipt.also:
        yield f"  reaches  {len(receipt.also)} account(s) as well: {', '.join(receipt.also)}"
    for flag in receipt.flags:
        yield f"  flagged  {flag}: {FLAGS[flag]}"
    if receipt.follow_ups:
        yield f"  opened   {len(receipt.follow_ups)} follow-up(s) for a person: prefledger follow-ups list"
