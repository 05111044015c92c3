"""Faust's transport, batched: one poll result of one partition is one Faust message and one item of a stream.

Stock Faust takes some ten steps of the event loop a message, 130 µs in all; taken once a batch they cost nothing. What
is here leans on the inside of faust-streaming and aiokafka, which are pinned; `tests/kafka/test_worker_hooks.py` says
when something of it has moved.

Offsets are neither acknowledged nor committed here: they are committed with what was folded, in the transaction of
the batch (`faust_partition.py`), and a partition is read from where its tables say that it was folded to.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import faust
from faust.transport.drivers import TRANSPORTS, aiokafka
from faust.types import TP, ConsumerMessage
from faust.types.transports import ConsumerT

from projections.adapters.faust_batch import Batch, Foreign

SCHEME = "batched"
FETCH_WAIT_MS = 100
"""How long the broker may wait for entries; a partition that was emptied meanwhile is not asked before that."""


class BatchSchema(faust.Schema[None, Batch]):
    """Passes a batch through as it is."""

    def loads_key(self, *_: Foreign, **__: Foreign) -> None:
        """A batch has no key."""

    def loads_value(self, app: Foreign, message: Foreign, **_: Foreign) -> Batch:
        """The batch."""
        batch: Batch = message.value
        return batch


class _Never(dict[TP, int | None]):
    """Faust's notes of what it has read, which never make it drop anything: whoever folds knows better."""

    def __getitem__(self, _: TP) -> None:
        return None


class BatchThread(aiokafka.AIOKafkaConsumerThread):
    """The thread that reads: what one poll brought becomes one batch a partition."""

    _sought: dict[TP, int]

    async def on_start(self) -> None:
        """Starts reading."""
        self._sought = {}
        await super().on_start()
        self._ensure_consumer()._fetcher._fetch_max_wait_ms = FETCH_WAIT_MS

    def _create_worker_consumer(self, transport: Foreign) -> Foreign:
        """Committed records only, so that the ends of the tables are those of committed transactions."""
        self.consumer.in_transaction = True
        try:
            return super()._create_worker_consumer(transport)
        finally:
            self.consumer.in_transaction = False

    async def _seek_wait(self, consumer: Foreign, partitions: Mapping[TP, int]) -> None:
        self._sought.update(partitions)
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(
        self,
        consumer: Foreign,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Foreign:
        """Batches by partition, an empty one where only transactions' marks or compacted records were passed over."""
        self._sought.clear()
        assignment, before = _assignment(consumer), self._positions(consumer, active_partitions)
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        read = {TP(*partition): found for partition, found in records.items()}
        if _assignment(consumer) is not assignment:
            before = {}  # a new one reads from what was committed to the group, or from where it is sent
        before |= self._sought
        batches: dict[TP, Batch] = {}
        for partition, end in self._positions(consumer, active_partitions).items():
            found = read.get(partition, [])
            start = before.get(partition, found[0].offset if found else end)
            if found or start < end:
                batches[partition] = Batch(start, end, found)
        return {"generation": self.app.consumer_generation_id, "batches": batches}

    def _positions(self, consumer: Foreign, partitions: set[TP]) -> dict[TP, int]:
        assignment = _assignment(consumer)
        if not assignment:
            return {}
        states = {partition: assignment.state_value(partition) for partition in partitions}
        return {partition: state.position for partition, state in states.items() if state and state.has_valid_position}

    async def go_back(self, wanted: Mapping[TP, int]) -> None:
        """Reads partitions again from an offset, where they were read further than that."""
        consumer = self._ensure_consumer()
        positions = self._positions(consumer, set(wanted))
        for partition, offset in wanted.items():
            if positions.get(partition, offset) > offset:
                self._sought[partition] = offset
                consumer.seek(partition, offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return True


def _assignment(consumer: Foreign) -> Foreign:
    subscription = consumer._fetcher._subscriptions.subscription
    return subscription and subscription.assignment


class BatchConsumer(aiokafka.Consumer):
    """Faust's consumer of batches. Whoever owns the partitions is told what happens to them."""

    def __init__(self, *args: Foreign, **kwargs: Foreign) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _Never()
        self.ownership = self.app.ownership  # type: ignore[attr-defined]

    _thread: BatchThread

    def _new_consumer_thread(self) -> BatchThread:
        # A loop of the application's own kind: Faust would make one of asyncio's, which is slower than uvloop's.
        thread = BatchThread(self, loop=self.loop, thread_loop=type(self.loop)(), beacon=self.beacon)
        thread._close_thread_loop_on_stop = True
        return thread

    def _to_message(self, tp: TP, record: Batch) -> ConsumerMessage:
        """`offset` is the last one that the batch passes, which is what recovery waits for."""
        return ConsumerMessage(
            *tp, record.end - 1, 0.0, 0, None, None, record, None, 0, 0, tp,  # type: ignore[arg-type]
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """The batches of a poll. What comes while nothing is wanted is read again later."""
        found: Foreign
        found, active = await self._wait_next_records(timeout)
        unwanted: dict[TP, int] = {}
        for tp, batch in found["batches"].items() if found else ():
            is_current = found["generation"] == self.app.consumer_generation_id
            if is_current and self.flow_active and tp in (active or ()) and not self.should_stop:
                yield tp, self._to_message(tp, batch)
            else:
                unwanted[tp] = batch.start
        if unwanted and not self.should_stop:
            await self.go_back(unwanted)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: Faust would leave the partition out of the next polls, and half a second would go by."""

    async def commit(self, topics: Foreign = None, start_new_transaction: bool = True) -> bool:
        """Nothing: offsets are committed with what was folded."""
        return False

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: it complains that nothing is ever committed."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """What is being committed is finished before the partitions are given up."""
        await self.ownership.release()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Former owners are fenced off before anybody looks how far they came."""
        await self.ownership.take(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    async def wait_empty(self) -> None:
        """Before the end: what is being committed is finished."""
        await self.ownership.release()

    async def perform_seek(self) -> None:
        """The tables are recovered: reads each partition from where they say."""
        positions = await self.ownership.begin()
        if positions:
            await self.seek_wait({self.ownership.source(number): offset for number, offset in positions.items()})

    async def go_back(self, wanted: Mapping[TP, int]) -> None:
        """Reads partitions again from an offset, where they were read further than that."""
        await self._thread.call_thread(self._thread.go_back, wanted)

    def request_rejoin(self) -> None:
        """Asks the group for a new assignment."""
        thread = self._thread
        consumer = thread._ensure_consumer()
        thread.thread_loop.call_soon_threadsafe(consumer._coordinator.request_rejoin)


class BatchTransport(aiokafka.Transport):
    """Chosen by the scheme of the broker's address."""

    Consumer: ClassVar[type[ConsumerT]] = BatchConsumer


def register() -> None:
    """Makes Faust know the scheme."""
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:{BatchTransport.__name__}"
