"""Reads a compacted topic to its committed end, to see that every event is in it exactly once."""

import warnings
from collections.abc import Iterator
from typing import Any

import orjson

from schemas.topics import WATERMARK

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from kafka import KafkaConsumer, TopicPartition


def records(broker: str, *topics: str) -> Iterator[Any]:
    """The committed records of topics up to their present ends."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker, isolation_level="read_committed", auto_offset_reset="earliest",
        enable_auto_commit=False, max_partition_fetch_bytes=8 << 20, fetch_max_bytes=64 << 20,
    )  # fmt: skip
    try:
        partitions = [
            TopicPartition(topic, one) for topic in topics for one in consumer.partitions_for_topic(topic) or ()
        ]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for some in consumer.poll(200, max_records=20_000).values():
                yield from some
    finally:
        consumer.close()


def counted(broker: str, *topics: str) -> tuple[int, int]:
    """How many events the last states say, and how many records lead there."""
    last: dict[tuple[str, bytes], bytes] = {}
    written = 0
    for record in records(broker, *topics):
        if not record.key.startswith(WATERMARK.encode()):
            last[record.topic, record.key] = record.value
            written += 1
    return sum(count_of(value) for value in last.values() if value), written


def count_of(value: bytes) -> int:
    """How many events a state is made of; 0 for whatever else a framework keeps beside states."""
    try:
        state = orjson.loads(value)
    except ValueError:
        return 0
    if not isinstance(state, dict):
        return 0
    return len(state["entries"]) if "entries" in state else int(state.get("count", 0))
