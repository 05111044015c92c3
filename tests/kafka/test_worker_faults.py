"""Whatever is killed in between: nothing acknowledged is lost, and nothing is applied or set aside twice."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from ledger.adapters.kafka_client import consumer, library
from ledger.broker import Broker
from projections.adapters.faust_worker import named
from schemas.topics import TABLES, partition_of
from stack.kafka import Kafka
from stack.processes import wait_until
from tests.kafka.flow import Flow, must_be_set_aside_once
from tests.kafka.raising_fold import REASON
from tests.kafka.workers import (
    LONG,
    MARKS,
    SESSION_S,
    Worker,
    append,
    ends,
    make_topics,
    must_be_exact,
    simple_entries,
    tables,
    told,
    wait_for_all,
)

pytestmark = MARKS

KILLS = 10


def test_workers_killed_at_random_moments_leave_exact_tables(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    rng = Random(20260)
    workers = [Worker(broker, tmp_path, standby=1), Worker(broker, tmp_path, standby=1)]
    with Flow(broker, 1, 20_000, 0.2):
        workers[0].wait_until_ready()
        for kill in range(KILLS):
            time.sleep(rng.uniform(0.2, 3.5))
            workers[kill % 2].process.kill()
            workers[kill % 2] = Worker(broker, tmp_path, standby=1)
    wait_for_all(broker, 2 * LONG)
    must_be_exact(broker)
    must_be_set_aside_once(broker)
    for worker in workers:
        assert worker.process.stop() == 0


def test_sigterm_ends_cleanly_and_at_once_for_the_others(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    with Flow(broker, 2, 6_000, 0.1) as flow, Worker(broker, tmp_path) as first:
        first.wait_until_ready()
        with Worker(broker, tmp_path) as second:
            second.wait_until_ready()
            wait_until(lambda: first.owned() == second.owned() == 2, LONG, "they share the partitions")
            started = time.monotonic()
            assert first.process.stop() == 0
            second.process.wait_until(lambda: second.owned() == 4, LONG, "it owns them all")
            assert time.monotonic() - started < SESSION_S
            flow.wait_until_appended()
            wait_for_all(broker)
    must_be_exact(broker)


def test_a_worker_that_was_taken_for_dead_cannot_write(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    with Flow(broker, 3, 12_000, 0.2) as flow, Worker(broker, tmp_path, "zombie") as zombie:
        zombie.wait_until_ready()
        wait_until(lambda: zombie.metrics().get("events_folded_total", 0) > 500, LONG, "it folds")
        with Worker(broker, tmp_path, "other") as other:
            zombie.process.signal(signal.SIGSTOP)
            other.process.wait_until(lambda: other.owned() == 4, LONG, "it has taken over")
            time.sleep(2)
            zombie.process.signal(signal.SIGCONT)
            zombie.process.wait_until(
                lambda: zombie.owned() == other.owned() == 2, LONG, "it is back without a restart"
            )
            flow.wait_until_appended()
            wait_for_all(broker)
    must_be_exact(broker)
    must_be_set_aside_once(broker)


def test_who_was_assigned_nothing_by_a_broker_that_knew_no_topics_yet_gets_its_partitions_soon(
    broker: Broker, tmp_path: Path
) -> None:
    make_topics(broker)
    append(broker, simple_entries(9, 400, 40))
    knows_nothing = tmp_path / "knows nothing"
    knows_nothing.touch()
    with Worker(broker, tmp_path, "early", by=("tests.kafka.unaware_broker", str(knows_nothing))) as worker:
        worker.process.wait_until(lambda: "assigned partitions []" in worker.process.said(), LONG, "it has nothing")
        knows_nothing.unlink()
        worker.process.wait_until(lambda: worker.owned() == 4, LONG, "it has all of them")
        wait_for_all(broker)
    must_be_exact(broker)


def test_a_fold_that_raises_ends_the_worker_with_nothing_of_its_batch_committed(broker: Broker, tmp_path: Path) -> None:
    """And who is started in its place folds that batch too: nothing was passed over, nothing was set aside."""
    make_topics(broker)
    append(broker, simple_entries(6, 400, 40))
    [(subject, value)] = simple_entries(7, 1, 1)
    assert subject is not None
    partition = partition_of(subject, 4)
    with Worker(broker, tmp_path, "raises", by=("tests.kafka.raising_fold", subject)) as worker:
        wait_for_all(broker)
        folded = ends(broker)
        append(broker, [(subject, value), *simple_entries(8, 400, 40)])
        wait_until(lambda: worker.process.code is not None, LONG, "it ends")
    assert worker.process.code == 70
    said = worker.process.said(20_000)
    assert f"partition {partition} cannot be folded" in said
    assert f"RuntimeError: {REASON}" in said
    marks = tables(broker).marks
    assert {marks[name, partition][-1]["offset"] for name in TABLES} == {folded[partition]}
    assert committed(broker, partition) <= folded[partition]
    with Worker(broker, tmp_path, "mended"):
        wait_for_all(broker)
    must_be_exact(broker)
    assert not any(told(broker, broker.topics.rejected).values())


def committed(broker: Broker, partition: int) -> int:
    """Up to where the workers' group has committed the ledger, as Kafka's own tools see it."""
    with closing(consumer(broker, group_id=named(broker.topics))) as group:
        return int(group.committed(library().TopicPartition(broker.topics.ledger, partition)))


@pytest.mark.parametrize("end", [Kafka.kill, Kafka.stop], ids=["killed", "stopped"])
def test_a_broker_that_is_killed_or_stopped_and_comes_back(
    end: Callable[[Kafka], None], own_kafka: Kafka, tmp_path: Path
) -> None:
    """One that is stopped tells its clients so while it goes: another way for a worker to lose it than silence."""
    broker = Broker((own_kafka.address,))
    make_topics(broker)
    append(broker, simple_entries(4, 4_000, 400))
    with Worker(broker, tmp_path) as worker:
        worker.wait_until_ready()
        end(own_kafka)
        time.sleep(3)
        own_kafka.start()
        append(broker, simple_entries(5, 2_000, 400))
        wait_for_all(broker, 2 * LONG)
        assert worker.process.code is None
        must_be_exact(broker)
    assert worker.process.code == 0


def test_a_broker_that_is_away_at_the_start_is_waited_for_and_then_named() -> None:
    # In a process of its own: kafka-python leaves the sockets of refused connections lying about.
    code = (
        "from ledger.broker import Broker; from consumers.bootstrap.worker import checked; "
        "checked(Broker(('127.0.0.1:9',)), patience=3)"
    )
    started = time.monotonic()
    said = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert time.monotonic() - started > 3
    assert "ledger.errors.UnavailableError: the broker 127.0.0.1:9 cannot be reached" in said.stderr


def test_a_broker_that_goes_between_the_look_at_its_topics_and_the_start_ends_the_worker() -> None:
    """It went on for ever without folding anything."""
    code = (
        "import asyncio; from ledger.broker import Broker; from consumers.bootstrap.worker import Options, _run; "
        "asyncio.run(_run(Broker(('127.0.0.1:9',)), 4, Options(), ('127.0.0.1', 0), None))"
    )
    said = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=LONG)
    assert "ledger.errors.UnavailableError: the broker went away at the start" in said.stderr
