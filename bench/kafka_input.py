"""Fills topics for the benchmarks, as fast as one core can: batches built here, every subject in its own partition."""

import asyncio
import warnings
from collections.abc import Iterable, Mapping

from bench.events import PARTITIONS, Made
from schemas.topics import partition_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # kafka-python deprecates a module of its own when it is imported
    from aiokafka import AIOKafkaProducer
    from kafka.admin import KafkaAdminClient, NewTopic

BATCH_BYTES = 500_000
COMPACTED = {"cleanup.policy": "compact"}


def admin(broker: str) -> KafkaAdminClient:
    """A client for topics and groups; the caller closes it."""
    return KafkaAdminClient(bootstrap_servers=broker)


def create(broker: str, name: str, settings: Mapping[str, str] | None = None, partitions: int = PARTITIONS) -> None:
    """Makes a topic, and waits until it is there."""
    client = admin(broker)
    client.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)], wait_for_metadata=True)
    client.close()


def fill(broker: str, topic: str, made: Iterable[Made], partitions: int = PARTITIONS) -> dict[int, int]:
    """Appends events to a topic, acknowledged; returns its ends."""
    return asyncio.run(_fill(broker, topic, made, partitions))


async def _fill(broker: str, topic: str, made: Iterable[Made], partitions: int) -> dict[int, int]:
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, max_batch_size=BATCH_BYTES, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        builders = {partition: producer.create_batch() for partition in range(partitions)}
        where: dict[str, int] = {}
        ends = dict.fromkeys(range(partitions), 0)
        for key, value in made:
            if key not in where:
                where[key] = partition_of(key, partitions)
            partition = where[key]
            ends[partition] += 1
            if builders[partition].append(key=key.encode(), value=value, timestamp=None) is None:
                await producer.send_batch(builders[partition], topic, partition=partition)
                builders[partition] = producer.create_batch()
                builders[partition].append(key=key.encode(), value=value, timestamp=None)
        for partition, builder in builders.items():
            await producer.send_batch(builder, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    return ends
