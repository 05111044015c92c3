"""Workers share the partitions, join and leave under load, and a standby goes on from where the other one was."""

from pathlib import Path

from ledger.broker import Broker
from stack.processes import wait_until
from tests.kafka.flow import Flow, must_be_set_aside_once
from tests.kafka.workers import (
    LONG,
    MARKS,
    Worker,
    append,
    make_topics,
    must_be_exact,
    simple_entries,
    tables,
    wait_for_all,
)

pytestmark = MARKS


def test_workers_that_join_and_leave_under_load(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    append(broker, simple_entries(1, 30_000, 2_000))
    with (
        Flow(broker, 2, 100_000, 0.05) as flow,
        Worker(broker, tmp_path, "a") as a,
        Worker(broker, tmp_path, "b") as b,
    ):
        b.wait_until_ready()
        with Worker(broker, tmp_path, "c") as c:
            wait_until(lambda: sorted(each.owned() for each in (a, b, c)) == [1, 1, 2], LONG, "three share them")
            assert a.process.stop() == 0
            wait_until(lambda: b.owned() == c.owned() == 2, LONG, "two share them")
            assert c.process.stop() == 0
        wait_until(lambda: b.owned() == 4, LONG, "one has them all")
        assert flow.goes_on
        flow.end()
        wait_for_all(broker)
    must_be_exact(broker)
    must_be_set_aside_once(broker)


def test_a_standby_takes_over_from_one_that_was_killed(broker: Broker, tmp_path: Path) -> None:
    """It has read along, so next to nothing is left to be read: the first one's states have a thousand subjects."""
    make_topics(broker)
    append(broker, simple_entries(5, 20_000, 2_000))
    with Worker(broker, tmp_path, "first", standby=1) as first:
        first.wait_until_ready()
        with Worker(broker, tmp_path, "second", standby=1) as second:
            wait_until(lambda: first.owned() == second.owned() == 2, LONG, "they share the partitions")
            wait_for_all(broker)
            subjects = len(tables(broker).parts)
            append(broker, simple_entries(6, 2_000, 2_000))
            before = second.metrics()["recovered_total"]
            first.process.kill()
            second.process.wait_until(lambda: second.owned() == 4, LONG, "it owns them all")
            assert second.metrics()["recovered_total"] - before < subjects / 20
            append(broker, simple_entries(7, 2_000, 2_000))
            wait_for_all(broker)
            must_be_exact(broker)
