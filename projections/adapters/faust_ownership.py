"""Which ledger partitions this worker owns, from the assignment that gives them to the one that takes them away.

An assignment gives every partition a new producer, also those that were kept: that fences off the former owner and ends
what it had begun, before anybody asks how far it came. Then Faust recovers the tables; then the folding begins.

A partition that cannot be written to any more is given up at once, and the group is asked for a new assignment, which
gives it to whoever is in the group: to this worker again after a fault of the broker, to another if this one had been
taken for dead. If none comes in time the worker ends, to be started again.
"""

import asyncio
import logging

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from ledger.errors import NotALedgerError, UnavailableError
from projections.adapters.faust_batch import Batch, Folder, Foreign
from projections.adapters.faust_metrics import WorkerMetrics
from projections.adapters.faust_partition import Partition, Writes
from projections.adapters.faust_producing import Producing
from schemas.distributed import Watermark
from schemas.topics import TABLES, Table, watermark_key

log = logging.getLogger("prefledger.worker")
PATIENCE_S = 60.0
"""How long the broker may be away before the worker ends."""
NEVER_BEGUN = 0


class Ownership:
    """The partitions of one worker. Everything here runs in the application's loop."""

    def __init__(
        self, app: Foreign, producing: Producing, writes: Writes, folder: Folder, metrics: WorkerMetrics
    ) -> None:
        self._app = app
        self._producing = producing
        self._writes = writes
        self._folder = folder
        self._metrics = metrics
        self._producers: dict[int, AIOKafkaProducer] = {}
        self._partitions: dict[int, Partition] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._deadline: asyncio.TimerHandle | None = None
        self._crashing: asyncio.Future[None] | None = None
        self._watching: asyncio.Future[None] | None = None

    async def take(self, assigned: set[tuple[str, int]]) -> None:
        """An assignment: fences off the former owners of its partitions."""
        await self.release()
        numbers = sorted(number for topic, number in assigned if topic == self._writes.topics.ledger)
        self._metrics.rebalances.inc()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*map(self._start_producer, numbers))
        except (KafkaError, TimeoutError) as error:
            await self._app.crash(UnavailableError(f"the broker cannot be reached to begin transactions: {error}"))
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        log.info("assigned partitions %s", numbers)
        self._watching = asyncio.ensure_future(self._watch_recovery())

    async def _watch_recovery(self) -> None:
        """Asks for a new assignment if the recovery of the tables comes to a stop."""
        before = -1
        while not self._tasks and self._producers:
            passed = sum(table.passed(number) for table in self._writes.tables.values() for number in self._producers)
            if passed == before:
                log.warning("the recovery of the tables does not go on; asking for a new assignment")
                self._app.consumer.request_rejoin()
            before = passed
            await asyncio.sleep(PATIENCE_S / 2)

    async def _start_producer(self, number: int) -> None:
        while True:
            producer = self._producing.producer(number)
            self._producers[number] = producer
            try:
                await producer.start()
                return
            except KafkaError as error:
                log.warning("cannot begin transactions for partition %d yet: %s", number, error)
                await producer.stop()
                await asyncio.sleep(0.5)

    def recovered(self, entries: int) -> None:
        """So many entries of the tables were read back for a partition that is to be folded here."""
        self._metrics.recovered.inc(entries)

    async def begin(self) -> dict[int, int]:
        """The tables are recovered: begins to fold. Returns from which offset of the ledger each partition is read."""
        ends = await self._app.consumer.highwaters(*map(self.source, self._producers)) if self._producers else {}
        for number, producer in self._producers.items():
            if number not in self._tasks:
                mark = self._mark(number)
                if mark is None:
                    self._give_up(number, "its tables were not recovered whole")
                    return {}
                self._must_be_of(mark, ends[self.source(number)])
                self._begin(mark, producer)
        self._metrics.is_ready = True
        log.info("folding partitions %s", sorted(self._partitions))
        return {number: partition.cursor for number, partition in self._partitions.items()}

    def _must_be_of(self, mark: Watermark, end: int) -> None:
        if mark.offset > end:
            ledger = self._writes.topics.ledger
            raise NotALedgerError(
                f"the tables hold partition {mark.partition} up to offset {mark.offset}, and {ledger} ends at {end}: "
                "they were made from another ledger, or this one has lost entries; nothing was written"
            )

    def _begin(self, mark: Watermark, producer: AIOKafkaProducer) -> None:
        number = mark.partition
        states = {name: table.partition(number) for name, table in self._writes.tables.items()}
        metrics = self._metrics.partition(number, mark)
        partition = Partition(mark, self._writes, producer, self._folder(number, states, mark.recorded_at), metrics)
        self._partitions[number] = partition
        self._tasks[number] = asyncio.ensure_future(self._run(partition))

    def _mark(self, number: int) -> Watermark | None:
        """How far the tables say that a partition was folded; None unless they were recovered to their ends.

        Raises NotALedgerError where they disagree or cannot be read, which no transaction leaves behind.
        """
        recovery = self._app.tables.recovery
        marks: dict[Table, Watermark] = {}
        for name in TABLES:
            table = self._writes.tables[name]
            end = recovery.active_highwaters.get((self._writes.topics.table(name), number))
            if end is None or table.passed(number) < end:
                return None
            stored = table.partition(number).get(watermark_key(number).encode())
            if stored is not None:
                marks[name] = _read(name, number, stored)
        last = max(marks.values(), key=lambda mark: mark.offset, default=None)
        if last is None:
            return Watermark(partition=number, offset=NEVER_BEGUN, recorded_at=0)
        if any(name not in marks or not _agrees(name, marks[name], last) for name in TABLES):
            said = {name: mark.offset for name, mark in marks.items()}
            raise NotALedgerError(
                f"the tables' watermarks of partition {number} differ: {said}; somebody else wrote or deleted there. "
                "Rebuild them: prefledger worker rebuild"
            )
        return last

    async def put(self, number: int, batch: Batch) -> None:
        """What was read of a partition of the ledger."""
        partition = self._partitions.get(number)
        if partition is not None:
            await partition.put(batch)

    async def release(self) -> None:
        """Finishes what is being committed, and owns nothing any more."""
        if self._watching is not None:
            self._watching.cancel()
        self._metrics.forget()
        for partition in self._partitions.values():
            partition.end()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=PATIENCE_S / 6)
            for task in late:
                task.cancel()
        producers = list(self._producers.values())
        self._producers.clear()
        self._partitions.clear()
        self._tasks.clear()
        await asyncio.gather(*map(_stop, producers))

    async def _run(self, partition: Partition) -> None:
        try:
            await partition.run(self._rewind)
        except KafkaError as error:
            self._give_up(partition.number, repr(error))
        except Exception as error:
            log.exception("partition %d cannot be folded", partition.number)
            await self._app.crash(error)

    def _give_up(self, number: int, why: str) -> None:
        log.warning("giving up partition %d: %s", number, why)
        self._metrics.lost.inc()
        self._metrics.is_ready = False
        self._app.consumer.request_rejoin()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(PATIENCE_S, self._despair)

    def _despair(self) -> None:
        error = UnavailableError(f"a partition was lost, and no new assignment came for {PATIENCE_S:g} s")
        self._crashing = asyncio.ensure_future(self._app.crash(error))

    async def _rewind(self, partition: int, offset: int) -> None:
        await self._app.consumer.go_back({self.source(partition): offset})

    def source(self, partition: int) -> Foreign:
        """A partition of the ledger as Faust names it."""
        from faust.types import TP

        return TP(self._writes.topics.ledger, partition)

    def measure(self) -> None:
        """Notes how far the partitions are behind."""
        for number in list(self._partitions):
            self._metrics.measure(number, self._app.consumer.highwater(self.source(number)))


def _read(table: Table, number: int, stored: bytes) -> Watermark:
    try:
        return Watermark.model_validate_json(stored)
    except ValidationError as error:
        # The other tables' would not do: this one may be the only one that the last entries have changed.
        raise NotALedgerError(
            f"{table}'s watermark of partition {number} cannot be read: somebody else wrote there. Rebuild the tables: "
            "prefledger worker rebuild"
        ) from error


def _agrees(table: Table, mark: Watermark, last: Watermark) -> bool:
    """Whether a table's own watermark is the last one there is, or the one that the last one says it has."""
    return mark.offset == last.offset or mark.offset == last.unchanged.get(table)


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(2):
            await producer.stop()
    except (KafkaError, TimeoutError) as error:
        log.debug("a producer did not stop: %r", error)
