"""An entry that cannot be folded is set aside with its place and reason, and stops nobody."""

import base64
from pathlib import Path

import orjson

from ledger.adapters.kafka_client import producer
from ledger.broker import Broker
from schemas.encoding import encode
from tests.controls import EVENTS
from tests.kafka.workers import MARKS, Worker, append, make_topics, must_be_exact, simple_entries, told, wait_for_all

pytestmark = MARKS

REVOKED = EVENTS["PreferenceRevoked"]
GOOD = encode(REVOKED)
KEY = REVOKED.subject.encode()


def poison() -> list[tuple[bytes | None, bytes | None, str]]:
    """Keys, values, and what is said of them."""
    return [
        (KEY, b"not json", "no event"),
        (KEY, b"", "no event"),
        (KEY, b"[" * 100_000, "no event"),
        (KEY, b'{"type":"Unheard","kind":"number"}', "no event"),
        (KEY, GOOD[:-20], "no event"),
        (b"f" * 32, GOOD, "is not its key"),
        (b"~watermark/0", GOOD, "is not its key"),
        (b"\xff\xfe", GOOD, "its key is not UTF-8"),
        (None, GOOD, "it has no key"),
        (KEY, None, "it has no value"),
        (KEY, b"x" * 2_000_000, "1000000 are the most"),
        (b"k" * 600_000, GOOD, "is not its key"),
        (b"k" * 200_000, b"x" * 499_000, "no event"),
        (KEY, b'{"type":"' + b"t" * 460_000 + b'","kind":"number"}', "no event"),
    ]


def test_poison_goes_to_the_rejected_topic_and_stops_nobody(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    append(broker, simple_entries(1, 100, 10))
    # Compressed it is small enough for the broker: that is how an entry of 2 MB gets in.
    writing = producer(broker, max_request_size=4_000_000)
    sent = [writing.send(broker.topics.ledger, value, key, partition=1) for key, value, _ in poison()]
    offsets = [future.get(30).offset for future in sent]
    writing.close()
    append(broker, simple_entries(2, 100, 10))
    with Worker(broker, tmp_path) as worker:
        wait_for_all(broker)
        assert worker.metrics()["rejected_total"] == len(offsets)
    must_be_exact(broker)
    said = [record for records in told(broker, broker.topics.rejected).values() for record in records]
    found = {entry["offset"]: (entry, record.key) for record in said for entry in [orjson.loads(record.value or b"")]}
    assert len(said) == len(found) == len(offsets)
    for offset, (key, value, reason) in zip(offsets, poison(), strict=True):
        entry, record_key = found[offset]
        assert (entry["topic"], entry["partition"]) == (broker.topics.ledger, 1)
        assert reason in entry["reason"]
        assert record_key == (key and key[:1_000])
        assert entry["key"] == (key and key[:1_000].decode(errors="replace"))
        assert len(entry["reason"]) <= 500
        is_copied = value is not None and len(value) < 500_000
        assert entry["value"] == (base64.b64encode(value).decode() if is_copied and value is not None else None)
