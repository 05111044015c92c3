"""Builds the tables of a ledger anew, from its first entry: the same fold, over large batches.

Nothing is looked up or written by event: a partition is read through, its states are kept as they are folded, and each
is written once, at the end. Partitions have nothing in common, so each may be filled in another process. The tables
must be empty: what is live is never written over. Whoever writes has the transactional id of the partition's worker, so
the two shut each other out; and what a rebuild that was cut short has left behind does no harm, because without a
watermark a worker begins at the first entry.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from ledger.errors import NotALedgerError, UnavailableError
from projections.adapters.faust_batch import Foreign, SetAside, States
from projections.adapters.faust_fold import ProductFold, encoded
from projections.adapters.faust_producing import Producing, send
from projections.fold import Part
from schemas.distributed import Watermark
from schemas.topics import TABLES, Table, Topics, watermark_key

log = logging.getLogger("prefledger.worker")
FETCH_BYTES = 4_194_304
AT_ONCE = 20_000
"""How many states are written in one transaction."""
NO_STATES: States = {name: {} for name in TABLES}


class Rebuild:
    """Reads the ledger's topic `ledger` and fills the tables of `topics`."""

    def __init__(self, ledger: str, topics: Topics, producing: Producing) -> None:
        self._ledger = ledger
        self._topics = topics
        self._producing = producing
        self._reader: AIOKafkaConsumer

    async def ends(self) -> dict[int, int]:
        """Up to where each partition is to be folded. Raises NotALedgerError where tables hold something,
        UnavailableError."""
        async with self._reading():
            places = [TopicPartition(self._ledger, partition) for partition in await self._partitions()]
            return {place.partition: end for place, end in (await self._reader.end_offsets(places)).items()}

    async def fill(self, partition: int, end: int) -> int:
        """Fills the tables of one partition and returns how many entries that took. Raises UnavailableError."""
        async with self._reading():
            return await self._fill(partition, end)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """With a reader, which belongs to the event loop that runs."""
        self._reader = AIOKafkaConsumer(
            enable_auto_commit=False, auto_offset_reset="earliest", max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100, **self._producing.options,
        )  # fmt: skip
        try:
            await self._reader.start()
            yield
        except KafkaError as error:
            raise UnavailableError(
                f"the broker failed while the tables were rebuilt: {error!r}; begin again"
            ) from error
        finally:
            await self._reader.stop()

    async def _partitions(self) -> list[int]:
        """Those of the ledger, which the tables have to have as well, empty."""
        await self._reader._client.force_metadata_update()
        known = {name: self._reader.partitions_for_topic(name) or set() for name in self._names()}
        partitions = known[self._ledger]
        for name in self._topics.tables.values():
            if not partitions or known[name] != partitions:
                raise NotALedgerError(
                    f"the topic {name} has {len(known[name])} partitions, the ledger {self._ledger} has "
                    f"{len(partitions)}: make the topics with prefledger topics create"
                )
            places = [TopicPartition(name, partition) for partition in partitions]
            if any((await self._reader.end_offsets(places)).values()):
                raise NotALedgerError(f"the topic {name} is not empty: tables are rebuilt into new topics only")
        return sorted(partitions)

    def _names(self) -> Sequence[str]:
        return self._ledger, *self._topics.tables.values()

    async def _fill(self, partition: int, end: int) -> int:
        fold = ProductFold(self._ledger, partition, NO_STATES, 0, kept=None)
        parts: dict[str, Part] = {}
        rejected: list[SetAside] = []
        entries = 0
        async for records in self._read(TopicPartition(self._ledger, partition), end):
            changed, aside = fold.changed(records)
            parts.update(changed)
            rejected.extend(aside)
            entries += len(records)
        mark = Watermark(partition=partition, offset=end, recorded_at=fold.recorded_at)
        await self._write(mark, parts, rejected)
        log.info("partition %d: %d entries, %d states, %d set aside", partition, end, len(parts), len(rejected))
        return entries

    async def _read(self, place: TopicPartition, end: int) -> Any:  # noqa: ANN401  # an asynchronous generator
        self._reader.assign([place])
        self._reader.seek(place, 0)
        position = 0
        while position < end:
            for found in (await self._reader.getmany(place, timeout_ms=1_000)).values():
                records = found if found[-1].offset < end else [each for each in found if each.offset < end]
                yield records
            position = await self._reader.position(place)

    async def _write(self, mark: Watermark, parts: Mapping[str, Part], rejected: Sequence[SetAside]) -> None:
        producer = self._producing.producer(mark.partition)
        await producer.start()
        try:
            for some in _pieces(parts):
                await self._commit(producer, mark.partition, encoded(some), ())
            key, value = watermark_key(mark.partition).encode(), mark.to_bytes()
            await self._commit(producer, mark.partition, {name: {key: value} for name in TABLES}, rejected)
        finally:
            await producer.stop()

    async def _commit(
        self, producer: AIOKafkaProducer, partition: int, values: Mapping[Table, Mapping[bytes, bytes]],
        rejected: Sequence[SetAside],
    ) -> None:  # fmt: skip
        await producer.begin_transaction()
        sending: list[Foreign] = [
            send(producer, self._topics.table(name), partition, some.items()) for name, some in values.items() if some
        ]
        sending += [producer.send_and_wait(self._topics.rejected, entry.value, key=entry.key) for entry in rejected]
        await asyncio.gather(*sending)
        await producer.commit_transaction()


def _pieces(parts: Mapping[str, Part]) -> Iterator[dict[str, Part]]:
    items = iter(parts.items())
    while some := dict(islice(items, AT_ONCE)):
        yield some
