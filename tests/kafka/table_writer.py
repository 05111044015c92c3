"""A ledger on a broker with a tiny worker of its own, so that what gateways read can be bent as a test needs it."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from ledger.adapters.kafka_client import admin, consumer, library, producer
from ledger.adapters.kafka_topics import Layout, wanted
from ledger.broker import Broker
from ledger.log import Position, Recorded
from projections.adapters.memory_view import MemoryView
from projections.catch_up import events_in, fold_batch
from projections.fold import Part, key_of, to_bytes
from schemas.distributed import Watermark
from schemas.encoding import encode
from schemas.events import OPERATOR_LEDGER, OPERATOR_POLICY, OPERATOR_TRAFFIC, Event
from schemas.policy import Policy
from schemas.scope import Scope
from schemas.topics import TABLE_OF, TABLES, Table, partition_of, watermark_key
from tests.consumers.asking import POLICY, REFERENCES
from tests.histories import make_event
from tests.kafka.workers import make_topics

LEDGER_ID = "0199a0a8-3c00-7000-8000-00000000aaaa"
SHORT = POLICY.model_copy(
    update={
        "purposes": {
            name: purpose.model_copy(update={"max_staleness_s": 4.0}) for name, purpose in POLICY.purposes.items()
        }
    }
)
"""A policy under which a copy grows stale within four seconds."""
COMPACTED = {"cleanup.policy": "compact"}
AT_ONCE = {"segment.ms": "1", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1"}
"""Every transaction begins a segment, and the broker compacts whenever it looks."""


class TableWriter:
    """Events go to the ledger as people say them; `fold` brings the tables up to it, `working` does so all the time."""

    def __init__(
        self, broker: Broker, partitions: int = 2, policy: Policy | None = POLICY,
        settings: Mapping[str, str] | None = None, secret_fingerprint: str = REFERENCES.fingerprint,
        marked: Sequence[Table] = TABLES,
    ) -> None:  # fmt: skip
        """With no `policy` the ledger is empty, for a test that fills all of it.

        `marked`: the tables that get watermarks; a worker of ours gives them to all three.
        """
        self.broker, self.partitions = broker, partitions
        self.view = MemoryView()
        self._make_topics({**COMPACTED, **settings} if settings else {})
        self._writer = producer(broker)
        self._begin_work()
        self._number = self._recorded_at = 0
        self.marked = marked
        self.written: Counter[Table] = Counter()
        """How many records of each table were committed."""
        self._folding = threading.Lock()
        self.opening = {"ledger_id": LEDGER_ID, "secret_fingerprint": secret_fingerprint, "partitions": partitions}
        if policy is not None:
            self.says("LedgerOpened", "operator", OPERATOR_LEDGER, **self.opening)
            self.says("PolicyPublished", "operator", OPERATOR_POLICY, policy=policy)
        self.fold()

    def _make_topics(self, table: Mapping[str, str]) -> None:
        topics = self.broker.topics
        right = {topic.name: dict(topic.settings) for topic in wanted(self.broker, Layout(self.partitions, 1))}
        names = (topics.ledger, *topics.tables.values(), topics.receipts, topics.decisions, topics.rejected)
        configs = {name: right[name] for name in names} | {name: table for name in topics.tables.values() if table}
        counts = dict.fromkeys(configs, self.partitions) | {topics.receipts: 1, topics.decisions: 1}
        made = {
            name: {"num_partitions": counts[name], "replication_factor": 1, "configs": said}
            for name, said in configs.items()
        }
        maker = admin(self.broker)
        maker.create_topics(made, wait_for_metadata=True)
        maker.close()

    def _begin_work(self) -> None:
        self._worker = producer(self.broker, transactional_id=f"{self.broker.topics.prefix}-worker")
        self._worker.init_transactions()

    def make_tables_anew(self) -> None:
        """Deletes the topics of the tables and creates them, empty; `fold` goes on from where it was."""
        self._worker.close()
        maker = admin(self.broker)
        maker.delete_topics(list(self.broker.topics.tables.values()))
        maker.close()
        make_topics(self.broker, self.partitions)
        self._begin_work()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._worker.close()

    # --- the ledger

    def event(self, type_: str, kind: str, id_: str, **said: object) -> Event:
        """An event about a contact, an account or (`operator`) a thing of the operator's."""
        if "account" in said:
            said["account"] = REFERENCES.of("account", str(said["account"]))
        if type_ in ("PreferenceRevoked", "PreferenceGranted"):
            said.setdefault("scope", Scope())
        if type_ == "PreferenceGranted":
            said.setdefault("basis", "express")
        self._number += 1
        now = time.time_ns() // 1_000_000
        stamp = f"{now:012x}"
        envelope = {
            "kind": kind, "subject": id_ if kind == "operator" else REFERENCES.of(kind, id_), "occurred_at": now,
            "event_id": f"{stamp[:8]}-{stamp[8:]}-7000-8000-{self._number:012x}",
            "idempotency_key": f"{self._number:032x}",
        }  # fmt: skip
        return make_event(type_, **(envelope | said))

    def say(self, events: Sequence[Event]) -> dict[int, int]:
        """Appends events; for each partition that got one the offset after it."""
        sent = [
            self._writer.send(
                self.broker.topics.ledger, key=event.subject.encode(), value=encode(event),
                partition=partition_of(event.subject, self.partitions),
            )
            for event in events
        ]  # fmt: skip
        return {one.partition: one.offset + 1 for one in [future.get(30) for future in sent]}

    def says(self, type_: str, kind: str, id_: str, **said: object) -> dict[int, int]:
        """Appends one event."""
        return self.say([self.event(type_, kind, id_, **said)])

    def halts(self, **scope: str) -> dict[int, int]:
        """The stop switch is thrown."""
        return self.says("TrafficHalted", "operator", OPERATOR_TRAFFIC, scope=Scope(**scope))

    def read(self, partition: int, start: int = 0) -> list[Recorded]:
        """The ledger's entries, whoever wrote them."""
        reader = consumer(self.broker)
        where = library().TopicPartition(self.broker.topics.ledger, partition)
        reader.assign([where])
        reader.seek(where, start)
        end, found = reader.end_offsets([where])[where], list[Recorded]()
        while reader.position(where) < end:
            for record in reader.poll(100).get(where, ()):
                found.append(
                    Recorded(Position(partition, record.offset), record.timestamp, record.key.decode(), record.value)
                )
        reader.close()
        return found

    # --- the tables

    def fold(self, batch: int = 40) -> None:
        """All of the ledger into the tables, and a watermark of every partition, as a worker does when it is idle."""
        with self._folding:
            for partition in range(self.partitions):
                entries = self.read(partition, self.view.watermark().get(partition, 0))
                for start in range(0, len(entries), batch):
                    self._fold(partition, entries[start : start + batch])
                self.write(partition, {})

    def _fold(self, partition: int, entries: Sequence[Recorded]) -> None:
        states = self.view.parts_of_many(sorted({entry.key for entry in entries}))
        changed = fold_batch(events_in(entries, []), states)
        seen, reached = dict(self.view.watermark()), entries[-1].position.offset + 1
        self.take_back(partition, changed)
        self._recorded_at = max(self._recorded_at, entries[-1].recorded_at)
        assert self.view.write(changed, [], seen, seen | {partition: reached})
        self.write(partition, changed)

    def write(self, partition: int, changed: Mapping[str, Part]) -> None:
        """One transaction: parts, and a watermark in each of the tables."""
        self._worker.begin_transaction()
        for part in changed.values():
            self._send(TABLE_OF[part.kind], partition, key_of(part), to_bytes(part))
        offset = self.view.watermark().get(partition, 0)
        mark = Watermark(partition=partition, offset=offset, recorded_at=self._recorded_at).model_dump_json().encode()
        for table in self.marked:
            self._send(table, partition, watermark_key(partition), mark)
        self._worker.commit_transaction()
        self.written.update([*(TABLE_OF[part.kind] for part in changed.values()), *self.marked])

    def take_back(self, partition: int, changed: Mapping[str, Part]) -> None:
        """A transaction that a worker did not finish: nobody may see that it forgets the subjects that change."""
        self._worker.begin_transaction()
        for part in changed.values():
            self._send(TABLE_OF[part.kind], partition, key_of(part), None)
        for table in TABLES:
            self._send(table, partition, watermark_key(partition), b'{"partition":0,"offset":1000000,"recorded_at":0}')
        self._worker.flush()
        self._worker.abort_transaction()

    def table_ends(self) -> dict[tuple[str, int], int]:
        """Up to where each partition of each table is committed."""
        reader = consumer(self.broker, isolation_level="read_committed")
        names = self.broker.topics.tables.values()
        places = [library().TopicPartition(name, each) for name in names for each in range(self.partitions)]
        found = reader.end_offsets(places)
        reader.close()
        return {(place.topic, place.partition): end for place, end in found.items()}

    def put(self, table: Table, partition: int, key: str, value: bytes | None) -> None:
        """A committed record that no worker of ours would write, with no watermark after it."""
        with self._folding:
            self._worker.begin_transaction()
            self._send(table, partition, key, value)
            self._worker.commit_transaction()
            self.written[table] += 1

    def _send(self, table: Table, partition: int, key: str, value: bytes | None) -> None:
        topic = self.broker.topics.table(table)
        self._worker.send(topic, key=key.encode(), value=value, partition=partition)

    @contextmanager
    def working(self, batch: int = 40) -> Iterator[None]:
        """Folds some ten times a second meanwhile."""
        stopping = threading.Event()
        failed: list[Any] = []

        def work() -> None:
            try:
                while not stopping.wait(0.05):
                    self.fold(batch)
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
        assert not failed, failed
