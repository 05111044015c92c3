"""Three brokers, of which any may go: the ledger, its workers and what was acknowledged go on without it."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.errors import UnavailableError
from ledger.log import Appended, Entry
from schemas.encoding import decode
from stack.kafka import Kafka
from stack.processes import wait_until
from tests.kafka.cluster import BROKERS, are_in_sync, cluster
from tests.kafka.workers import (
    LONG,
    MARKS,
    Worker,
    make_topics,
    must_be_exact,
    simple_entries,
    told,
    wait_for_all,
)

pytestmark = [*MARKS, pytest.mark.timeout(1800)]


class Writing:
    """Appends one entry after the other from several threads, and keeps what became of it."""

    def __init__(self, log: KafkaLog) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self._log, self._asked = log, threading.Event()

    @contextmanager
    def going_on(self) -> Iterator["Writing"]:
        """From now on, to the end."""
        threads = [threading.Thread(target=self._append, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._asked.set()
            for thread in threads:
                thread.join()

    def _append(self, seed: int) -> None:
        for key, value in simple_entries(10 + seed, 100_000, 500):
            if self._asked.is_set():
                return
            event = decode(value or b"")
            one = Entry(str(key), value or b"", event.event_id, event.idempotency_key, event.content)
            try:
                [outcome] = self._log.append([one])
            except UnavailableError:
                self.refused.append(event.event_id)
            else:
                assert isinstance(outcome, Appended)
                self.acknowledged.append(event.event_id)

    def must_go_on(self) -> None:
        """Until more was acknowledged than before."""
        wanted = len(self.acknowledged) + 200
        wait_until(lambda: len(self.acknowledged) >= wanted, 2 * LONG, "it acknowledges")


def test_any_broker_of_three_may_go_and_two_that_go_are_said(tmp_path: Path) -> None:
    with cluster(tmp_path) as (broker, nodes):
        make_topics(broker, replication_factor=BROKERS)
        with closing(KafkaTopics(broker)) as topics:
            topic = topics.check()[broker.topics.ledger]
        log = KafkaLog(broker, tmp_path / "mirror.db", topic.partitions, topic.topic_id, timeout=10.0)
        with closing(log), Worker(broker, tmp_path, "a", standby=1) as a, Worker(broker, tmp_path, "b", standby=1) as b:
            a.wait_until_ready()
            b.wait_until_ready()
            writing = Writing(log)
            with writing.going_on():
                for node in nodes:
                    writing.must_go_on()
                    node.kill()
                    writing.must_go_on()
                    node.start()
                    wait_until(lambda: are_in_sync(broker), LONG, "every copy is whole again")
                assert writing.refused == []
                _without_two(writing, nodes)
                writing.must_go_on()
            wait_for_all(broker, 2 * LONG)
            assert a.process.code is None is b.process.code
        must_be_exact(broker)
        stored = {
            decode(one.value or b"").event_id for part in told(broker, broker.topics.ledger).values() for one in part
        }
        assert set(writing.acknowledged) <= stored
        assert len(set(writing.acknowledged)) == len(writing.acknowledged) > 1_000


def _without_two(writing: Writing, nodes: list[Kafka]) -> None:
    """One copy alone acknowledges nothing."""
    for node in nodes[:2]:
        node.kill()
    refused = len(writing.refused)
    wait_until(lambda: len(writing.refused) >= refused + 3, 2 * LONG, "everybody who waits is told")
    for node in nodes[:2]:
        node.start()
