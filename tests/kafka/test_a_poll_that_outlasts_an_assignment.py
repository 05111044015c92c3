"""What a poll brings that began in one assignment of the group and ended in the next, which reads from elsewhere."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from ledger.broker import Broker
from projections.adapters.faust_batch import Batch
from projections.adapters.faust_transport import BatchThread
from tests.kafka.workers import MARKS, append, make_topics, simple_entries

pytestmark = MARKS
ENTRIES, COMMITTED = 100, 40
LONG = 60.0


def reader() -> BatchThread:
    """As much of the thread that reads as a poll needs."""
    thread: Any = BatchThread.__new__(BatchThread)
    thread.consumer = SimpleNamespace(flow_active=True)
    thread.app = SimpleNamespace(consumer_generation_id=1)
    thread._sought = {}
    return cast(BatchThread, thread)


async def polled(broker: Broker) -> Batch:
    """A group's only member has read everything; a new assignment has it read on from what was committed."""
    place = TopicPartition(broker.topics.ledger, 0)
    consumer = AIOKafkaConsumer(
        place.topic, bootstrap_servers=broker.name, group_id="g", enable_auto_commit=False,
        auto_offset_reset="earliest",
    )  # fmt: skip
    await consumer.start()
    try:
        while (await consumer.position(place)) < ENTRIES:
            await consumer.getmany(place, timeout_ms=500)
        await consumer.commit({place: COMMITTED})
        poll = asyncio.ensure_future(reader()._fetch_records(consumer, {TP(*place)}, timeout=LONG))
        await asyncio.sleep(0.5)
        assert not poll.done(), "there is nothing left to read"
        consumer._coordinator.request_rejoin()
        found: dict[TP, Batch] = (await poll)["batches"]
        return found[TP(*place)]
    finally:
        await consumer.stop()


def test_a_batch_begins_with_what_is_in_it(broker: Broker) -> None:
    """Said to begin where the other assignment had come to, old entries in it would be taken for new ones."""
    make_topics(broker, partitions=1)
    append(broker, simple_entries(1, ENTRIES, 10), partitions=1)
    batch = asyncio.run(polled(broker))
    assert (batch.start, batch.records[0].offset, batch.end) == (COMMITTED, COMMITTED, ENTRIES)
