"""Watermarks: one in each table at least every second, also where nothing happens."""

import time
from itertools import pairwise
from pathlib import Path

from ledger.adapters.kafka_client import producer
from ledger.broker import Broker
from schemas.distributed import Watermark
from schemas.topics import TABLES
from stack.processes import wait_until
from tests.kafka.workers import LONG, MARKS, Worker, append, make_topics, simple_entries, tables, told, wait_for_all

pytestmark = MARKS


def test_watermarks_go_on_where_nothing_happens(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    only = [entry for entry in simple_entries(1, 400, 40)][:1]
    append(broker, only)
    with Worker(broker, tmp_path):
        wait_for_all(broker)
        time.sleep(8)
    marks = tables(broker).marks
    assert set(marks) == {(name, partition) for name in TABLES for partition in range(4)}
    for name in TABLES:
        for partition, records in told(broker, broker.topics.table(name)).items():
            of = [record.timestamp for record in records if (record.key or b"").startswith(b"~")]
            assert len(of) >= 8
            # Twice a second's time, for a machine on which others run too.
            assert sorted(later - earlier for earlier, later in pairwise(of))[len(of) // 2] <= 1_000
            assert len({(mark["offset"], mark["recorded_at"]) for mark in marks[name, partition][1:]}) == 1


def test_recorded_at_goes_on_from_the_tables_after_a_restart(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    append(broker, simple_entries(1, 400, 40))
    with Worker(broker, tmp_path):
        wait_for_all(broker)
    before = {place: said[-1] for place, said in tables(broker).marks.items()}
    with Worker(broker, tmp_path) as worker:
        worker.wait_until_ready()
        time.sleep(2)
    after = {place: said[-1] for place, said in tables(broker).marks.items()}
    assert after == before
    assert all(mark["recorded_at"] > 0 for mark in after.values())


def test_tables_that_contradict_each_other_are_refused(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    writing = producer(broker)
    for name, offset in zip(TABLES, (5, 5, 4), strict=True):
        mark = Watermark(partition=2, offset=offset, recorded_at=1).model_dump_json().encode()
        writing.send(broker.topics.tables[name], mark, b"~watermark/2", partition=2).get(30)
    writing.close()
    worker = Worker(broker, tmp_path)
    wait_until(lambda: worker.process.code is not None, LONG, "it has ended")
    assert worker.process.code == 2
    assert "watermarks of partition 2 differ" in worker.process.said()
