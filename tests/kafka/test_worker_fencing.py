"""Who takes a partition shuts out whoever wrote under its transactional id before, in the middle of a transaction."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

from ledger.broker import Broker
from projections.adapters.faust_worker import named
from schemas.topics import partition_of
from tests.kafka.workers import MARKS, Worker, append, make_topics, must_be_exact, simple_entries, told, wait_for_all

pytestmark = MARKS

PARTITION = 1
SUBJECT = next(f"{number:032x}" for number in range(100) if partition_of(f"{number:032x}", 4) == PARTITION)
LONGEST_TRANSACTION_MS = 600_000
"""Far beyond this test: so it is the new worker that ends the transaction, and not the broker that gives it up."""


def test_a_zombie_in_the_middle_of_a_transaction_cannot_commit_it(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    append(broker, simple_entries(8, 200, 40))
    asyncio.run(_must_be_fenced(broker, tmp_path))
    must_be_exact(broker)
    committed = [
        record.key for records in told(broker, broker.topics.table("by-number")).values() for record in records
    ]
    assert SUBJECT.encode() not in committed


async def _must_be_fenced(broker: Broker, folder: Path) -> None:
    """The id is written out here: a worker of another release, or a copy of it that hangs, has the same one."""
    zombie = AIOKafkaProducer(
        bootstrap_servers=list(broker.servers), transactional_id=f"{named(broker.topics)}-{PARTITION}",
        transaction_timeout_ms=LONGEST_TRANSACTION_MS,
    )  # fmt: skip
    await zombie.start()
    try:
        await zombie.begin_transaction()
        table = broker.topics.table("by-number")
        await zombie.send_and_wait(table, b"{}", SUBJECT.encode(), partition=PARTITION)
        # Nothing is awaited meanwhile: to the broker the zombie is a process that is frozen. Its open transaction also
        # holds up every reader of the table, the new worker's recovery too, until the new worker has taken its id.
        with Worker(broker, folder) as worker:
            worker.wait_until_ready()
            wait_for_all(broker)
        with pytest.raises((ProducerFenced, InvalidProducerEpoch)):
            await zombie.commit_transaction()
    finally:
        await zombie.stop()
