"""Watermarks: one in each table at least every second, also where nothing happens."""

import time
from itertools import pairwise
from pathlib import Path

from consumers.bootstrap import distributed
from consumers.settings import Settings
from ledger.adapters.kafka_client import producer
from ledger.adapters.kafka_topics import Layout
from ledger.broker import Broker
from schemas.distributed import Watermark
from schemas.topics import TABLES
from stack.processes import wait_until
from tests.kafka.gateways import gateway, offers
from tests.kafka.workers import (
    LONG,
    MARKS,
    Worker,
    append,
    ends,
    make_topics,
    simple_entries,
    tables,
    told,
    wait_for_all,
)

pytestmark = MARKS
LEAP_S = 20
TURNS = 3_600 // (2 * LEAP_S)
"""So many turns are an hour at least: in each the clock is looked at twice or more often."""


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


def test_an_hour_without_traffic_by_an_injected_clock(broker: Broker, tmp_path: Path) -> None:
    """Turn after turn each table gets its watermark, and a gateway that hears nothing else is current all the time."""
    (tmp_path / "secret").write_text(bytes(range(32)).hex())
    url = f"kafka://{broker.name}"
    distributed.make_topics(Settings(home=tmp_path, ledger_url=url, topics_prefix=broker.topics.prefix), Layout(2, 1))
    with (
        Worker(broker, tmp_path, by=("tests.kafka.leaping_clock", str(LEAP_S))) as worker,
        gateway(broker, tmp_path) as asked,
    ):
        asked.wait_until_current(LONG)
        end, seen = ends(broker), set()
        before = {place: len(said) for place, said in tables(broker).marks.items()}
        are_over = False
        while not are_over:
            assert worker.process.code is None
            seen.add((offers(asked), asked.state))
            marks = tables(broker).marks
            are_over = all(len(marks[place]) >= before[place] + TURNS for place in before)
        assert seen == {("no_consent", "current")}
        assert ends(broker) == end  # nobody has said anything meanwhile
    assert set(marks) == {(name, partition) for name in TABLES for partition in range(2)}
    for (_, partition), said in marks.items():
        assert {mark["offset"] for mark in said[-TURNS:]} == {end[partition]}


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
