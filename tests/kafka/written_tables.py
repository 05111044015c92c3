"""Tables written by hand, transaction by transaction: what a worker shows for a moment only, or has to take back."""

from collections.abc import Mapping, Sequence
from typing import Self

from ledger.adapters.kafka_client import admin, consumer, library, producer
from ledger.broker import Broker
from projections.fold import Part, key_of, to_bytes
from schemas.distributed import Watermark
from schemas.topics import TABLE_OF, TABLES, Table, watermark_key
from stack.processes import wait_until


class WrittenTables:
    """The three tables of a ledger of one partition, on a broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        maker = admin(broker)
        table = {"num_partitions": 1, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}}
        maker.create_topics(dict.fromkeys(broker.topics.tables.values(), table), wait_for_metadata=True)
        maker.close()
        self._writer = producer(broker, transactional_id=f"{broker.topics.prefix}-by-hand")
        self._writer.init_transactions()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, changed: Mapping[str, Part], reached: int, tables: Sequence[Table] = TABLES) -> None:
        """One transaction: the parts that belong into these tables, and a watermark in each of them."""
        self._begin(changed, reached, tables)
        self._writer.commit_transaction()
        self._wait_until_settled()

    def take_back(self, changed: Mapping[str, Part], reached: int) -> None:
        """The same of a worker that was killed before its end: nobody may see it."""
        self._begin(changed, reached, TABLES)
        self._writer.flush()
        self._writer.abort_transaction()
        self._wait_until_settled()

    def _begin(self, changed: Mapping[str, Part], reached: int, tables: Sequence[Table]) -> None:
        self._writer.begin_transaction()
        for part in changed.values():
            if TABLE_OF[part.kind] in tables:
                self._send(TABLE_OF[part.kind], key_of(part), to_bytes(part))
        mark = Watermark(partition=0, offset=reached, recorded_at=0).model_dump_json().encode()
        for table in tables:
            self._send(table, watermark_key(0), mark)

    def _wait_until_settled(self) -> None:
        """A transaction is decided before its markers are in the topics: until then no reader comes past it."""
        places = [library().TopicPartition(name, 0) for name in self._broker.topics.tables.values()]
        committed, every = consumer(self._broker, isolation_level="read_committed"), consumer(self._broker)
        wait_until(lambda: committed.end_offsets(places) == every.end_offsets(places), 60, "the transaction is settled")
        committed.close()
        every.close()

    def _send(self, table: Table, key: str, value: bytes) -> None:
        self._writer.send(self._broker.topics.table(table), key=key.encode(), value=value, partition=0)
