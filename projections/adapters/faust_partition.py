"""One ledger partition that a worker owns: batches come in, transactions go out.

A transaction holds what a batch changed in the three tables, a watermark in each table that it changed, what was set
aside, and the ledger's offset; all of it is committed or none. Only then are the tables in memory brought up to date,
so they never have to be taken back: whatever fails, the partition is given up and recovered from what is committed.

One transactional id a partition: whoever starts a producer under it ends the transaction of the one before, who can
write nothing any more.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from projections.adapters.faust_batch import Batch, Fold, Folded, Record
from projections.adapters.faust_metrics import PartitionMetrics
from projections.adapters.faust_producing import send
from schemas.distributed import Watermark
from schemas.topics import TABLES, Table, Topics, watermark_key

AT_ONCE = 10_000
"""How many entries a transaction takes at most, give or take a batch: other partitions wait while they are folded."""
ALL_EVERY_S = 0.75
"""How often each table gets a watermark of its own, whether anything has come or not: readers want one every second. In
between only the tables that a batch changed are written, mostly one of three, and its watermark speaks for the others:
a transaction costs the broker something for each topic in it.
"""
OFFSET_EVERY_S = 1.0
"""The group's offset goes into a transaction at most so often. What counts is the offset in the watermark, which is in
each; the group's is for those who look at it with Kafka's tools, and takes the broker two requests more.
"""
WAITING = 4
"""How many batches may wait for a transaction; more are left at the broker."""


class TableStore(Protocol):
    """A table, as a partition writes it."""

    def partition(self, partition: int) -> dict[bytes, bytes]: ...
    def passed(self, partition: int) -> int: ...
    def written(self, partition: int, values: Mapping[bytes, bytes], passed: int) -> None: ...


class Writes(NamedTuple):
    """Where a partition writes to, and the clock (monotonic, in seconds) by which it does so where nothing comes."""

    topics: Topics
    group: str
    tables: Mapping[Table, TableStore]
    clock: Callable[[], float] = time.monotonic


class Partition:
    """Folds and commits. `cursor` is the ledger's offset of the next entry to be folded."""

    def __init__(
        self, mark: Watermark, writes: Writes, producer: AIOKafkaProducer, fold: Fold, metrics: PartitionMetrics
    ) -> None:
        self.number = mark.partition
        self.cursor = mark.offset
        self.recorded_at = mark.recorded_at
        self._writes = writes
        self._producer = producer
        self._fold = fold
        self._metrics = metrics
        self._waiting: asyncio.Queue[Batch | None] = asyncio.Queue(WAITING)
        self._ending = False
        self._told = mark.offset
        self._told_at = self._all_at = 0.0
        self._marks: dict[Table, int] = {}
        """The watermark that each table has itself; known from the first transaction on, which is one of all tables."""

    async def put(self, batch: Batch) -> None:
        """Hands in what was read; waits while too much is waiting."""
        self._metrics.read(batch)
        await self._waiting.put(batch)

    def end(self) -> None:
        """Has `run` return once the transaction under way is committed."""
        self._ending = True
        while not self._waiting.empty():  # whoever waits for room goes on
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def run(self, rewind: "Rewind") -> None:
        """Commits batch after batch until `end`. Raises KafkaError where it cannot write (any more)."""
        while not self._ending:
            batches = await self._next()
            if not batches and not self._ending:
                await rewind(self.number, self.cursor)  # what Faust has dropped is not missed by what follows
            if not self._ending:
                records = [record for batch in batches for record in await self._due(batch, rewind)]
                if records or not batches or self._metrics.is_old():
                    await self._commit(records)

    async def _next(self) -> list[Batch]:
        """What waits, or nothing after a while."""
        try:
            patience = max(0.001, self._all_at + ALL_EVERY_S - self._writes.clock())
            found = [await asyncio.wait_for(self._waiting.get(), patience)]
        except TimeoutError:
            return []
        while not self._waiting.empty() and sum(len(batch.records) for batch in found if batch) < AT_ONCE:
            found.append(self._waiting.get_nowait())
        return [batch for batch in found if batch is not None]

    async def _due(self, batch: Batch, rewind: "Rewind") -> Sequence[Record]:
        """What of a batch follows what was folded: duplicates are passed over, after a gap it is read again."""
        if batch.start > self.cursor:
            await rewind(self.number, self.cursor)
            return ()
        records = batch.records
        if batch.start < self.cursor:
            records = [record for record in records if record.offset >= self.cursor]
        self.cursor = max(self.cursor, batch.end)
        return records

    async def _commit(self, records: Sequence[Record]) -> None:
        started = time.perf_counter()
        folded = self._fold.fold(records)
        self._metrics.folded(len(records), time.perf_counter() - started)
        self.recorded_at = max(self.recorded_at, folded.recorded_at)
        values = self._values(folded)
        await self._producer.begin_transaction()
        sent = await asyncio.gather(*self._sending(values, folded), return_exceptions=True)
        last = [_unless_failed(each) for each in sent]
        await self._producer.commit_transaction()
        for name, offset in zip(values, last, strict=False):
            # After the last record stands the mark of the transaction.
            self._writes.tables[name].written(self.number, values[name], offset + 1)
            self._marks[name] = self.cursor
        self._metrics.committed(self.cursor, records, len(folded.rejected))

    def _values(self, folded: Folded) -> dict[Table, dict[bytes, bytes]]:
        """What goes into each table that is written, its watermark last."""
        written = self._to_be_written(folded)
        unchanged = {name: self._marks[name] for name in TABLES if name not in written}
        said = Watermark(partition=self.number, offset=self.cursor, recorded_at=self.recorded_at, unchanged=unchanged)
        mark = {watermark_key(self.number).encode(): said.to_bytes()}
        return {name: {**folded.states.get(name, {}), **mark} for name in written}

    def _to_be_written(self, folded: Folded) -> Sequence[Table]:
        now = self._writes.clock()
        if now - self._all_at >= ALL_EVERY_S:
            self._all_at = now
            return TABLES
        return [name for name in TABLES if folded.states.get(name)] or TABLES

    def _sending(
        self, values: Mapping[Table, Mapping[bytes, bytes]], folded: Folded
    ) -> Iterable[Coroutine[Any, Any, int | None]]:
        topics = self._writes.topics
        for name, written in values.items():
            yield send(self._producer, topics.table(name), self.number, written.items())
        if folded.rejected:
            yield self._send_rejected(folded)
        if self._told < self.cursor and self._writes.clock() - self._told_at > OFFSET_EVERY_S:
            self._told, self._told_at = self.cursor, self._writes.clock()
            offsets = {TopicPartition(topics.ledger, self.number): OffsetAndMetadata(self.cursor, "")}
            yield self._producer.send_offsets_to_transaction(offsets, self._writes.group)

    async def _send_rejected(self, folded: Folded) -> None:
        sent = [
            await self._producer.send(self._writes.topics.rejected, entry.value, key=entry.key)
            for entry in folded.rejected
        ]
        await asyncio.gather(*sent)


def _unless_failed(sent: int | BaseException | None) -> int:
    if isinstance(sent, BaseException):
        raise sent
    return sent or 0


class Rewind(Protocol):
    """Has a partition of the ledger read again from an offset, if it was read further."""

    async def __call__(self, partition: int, offset: int) -> None: ...
