"""Tables as a worker writes them (docs/topics.md), and what it may leave behind: transactions that were taken back.

The ledger topic keeps the time that its writer says, so that histories can quarrel about their clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from ledger.adapters.kafka_client import admin, consumer, library, producer
from ledger.broker import Broker
from ledger.log import Position, Recorded
from projections.adapters.memory_view import MemoryView
from projections.catch_up import events_in, fold_batch
from projections.fold import Part, key_of, to_bytes
from schemas.distributed import Watermark
from schemas.encoding import encode
from schemas.topics import TABLE_OF, TABLES, WATERMARK, Table, watermark_key
from tests.reference_model import Fact

LEDGER = {"retention.ms": "-1", "message.timestamp.type": "CreateTime"}
COMPACTED = {"cleanup.policy": "compact"}
AT_ONCE = {"segment.ms": "1", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1"}
"""Every transaction begins a segment, and the broker compacts whenever it looks."""


class Tables:
    """A ledger topic and its three tables on a broker, which this fills."""

    def __init__(self, broker: Broker, partitions: int, compacted_at_once: bool = False) -> None:
        self.broker, self.partitions = broker, partitions
        self.view = MemoryView()
        self.written = 0
        table = COMPACTED | (AT_ONCE if compacted_at_once else {})
        configs = {broker.topics.ledger: LEDGER} | dict.fromkeys(broker.topics.tables.values(), table)
        maker = admin(broker)
        maker.create_topics(
            {
                name: {"num_partitions": partitions, "replication_factor": 1, "configs": said}
                for name, said in configs.items()
            },
            wait_for_metadata=True,
        )
        maker.close()
        self._worker = producer(broker, transactional_id=f"{broker.topics.prefix}-worker")
        self._worker.init_transactions()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def append(self, facts: Iterable[Fact]) -> None:
        """Appends events to the ledger, at the places and times that they name."""
        writer = producer(self.broker)
        sent = [(fact, writer.send(**self._record(fact))) for fact in facts]
        for fact, future in sent:
            stored = future.get(30)
            assert Position(stored.partition, stored.offset) == fact.position
        writer.close()

    def _record(self, fact: Fact) -> dict[str, Any]:
        return {
            "topic": self.broker.topics.ledger,
            "partition": fact.position.partition,
            "timestamp_ms": fact.recorded_at,
            "key": fact.event.subject.encode(),
            "value": encode(fact.event),
        }

    def fold(self, batch: int = 40) -> None:
        """Folds what the ledger holds and the tables do not, a transaction a batch."""
        for partition in range(self.partitions):
            entries = self._entries(partition, self.view.watermark().get(partition, 0))
            for start in range(0, len(entries), batch):
                self._fold(partition, entries[start : start + batch])

    def _entries(self, partition: int, start: int) -> list[Recorded]:
        reader = consumer(self.broker)
        where = library().TopicPartition(self.broker.topics.ledger, partition)
        reader.assign([where])
        reader.seek(where, start)
        end, found, clock = reader.end_offsets([where])[where], list[Recorded](), 0
        while reader.position(where) < end:
            for record in reader.poll(100).get(where, ()):
                clock = max(clock, record.timestamp)
                place = Position(partition, record.offset)
                found.append(Recorded(place, clock, record.key.decode(), record.value))
        reader.close()
        return found

    def _fold(self, partition: int, entries: Sequence[Recorded]) -> None:
        states = self.view.parts_of_many(sorted({entry.key for entry in entries}))
        changed = fold_batch(events_in(entries, []), states)
        seen, reached = dict(self.view.watermark()), entries[-1].position.offset + 1
        mark = Watermark(partition=partition, offset=reached, recorded_at=entries[-1].recorded_at)
        if not seen.get(partition):
            self.take_back(partition, changed)
        self.write(partition, changed, mark)
        assert self.view.write(changed, [], seen, seen | {partition: reached})

    def write(
        self, partition: int, changed: Mapping[str, Part], mark: Watermark, tables: Sequence[Table] = TABLES
    ) -> None:
        """One transaction: the parts that belong into these tables, and a watermark in each of them."""
        self._worker.begin_transaction()
        for part in changed.values():
            if TABLE_OF[part.kind] in tables:
                self.written += 1
                self._send(TABLE_OF[part.kind], partition, key_of(part), to_bytes(part))
        for table in tables:
            self._send(table, partition, watermark_key(partition), mark.model_dump_json().encode())
        self._worker.commit_transaction()

    def take_back(self, partition: int, changed: Mapping[str, Part]) -> None:
        """A transaction that a worker did not finish: nobody may see that it forgets the subjects that change."""
        self._worker.begin_transaction()
        for part in changed.values():
            self._send(TABLE_OF[part.kind], partition, key_of(part), None)
        for table in TABLES:
            self._send(table, partition, watermark_key(partition), b'{"offset": 1000000}')
        self._worker.flush()
        self._worker.abort_transaction()

    def _send(self, table: Table, partition: int, key: str, value: bytes | None) -> None:
        topic = self.broker.topics.table(table)
        self._worker.send(topic, key=key.encode(), value=value, partition=partition)

    def kept(self) -> int:
        """How many records of subjects the tables hold now: `written`, until the broker compacts them."""
        place = library().TopicPartition
        where = [place(name, p) for name in self.broker.topics.tables.values() for p in range(self.partitions)]
        reader = consumer(self.broker, isolation_level="read_committed")
        reader.assign(where)
        reader.seek_to_beginning(*where)
        ends, found = reader.end_offsets(where), 0
        while any(reader.position(it) < end for it, end in ends.items()):
            read = reader.poll(100).values()
            found += sum(not record.key.startswith(WATERMARK.encode()) for batch in read for record in batch)
        reader.close()
        return found
