"""Ten workers at once, which join, leave and are killed."""

from pathlib import Path

import pytest

from ledger.broker import Broker
from stack.kafka import Kafka
from stack.processes import wait_until
from tests.kafka.workers import (
    LONG,
    MARKS,
    Worker,
    append,
    ends,
    make_topics,
    must_be_exact,
    simple_entries,
    wait_for_all,
)

pytestmark = [*MARKS, pytest.mark.timeout(1800)]


def test_ten_workers_share_twelve_partitions_join_and_leave(tmp_path: Path) -> None:
    with Kafka(tmp_path / "kafka") as kafka:
        _share(Broker((kafka.address,)), tmp_path)


def _share(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker, partitions=12)
    append(broker, simple_entries(1, 20_000, 2_000), 12)
    workers = [Worker(broker, tmp_path, f"worker-{number}", standby=1) for number in range(10)]
    try:
        wait_until(lambda: sorted(one.owned() for one in workers) == [1] * 8 + [2] * 2, 3 * LONG, "ten share them")
        append(broker, simple_entries(2, 10_000, 2_000), 12)
        for one in workers[:3]:
            one.process.kill()
        for one in workers[3:5]:
            assert one.process.stop() == 0
        append(broker, simple_entries(3, 10_000, 2_000), 12)
        wait_until(lambda: sum(one.owned() for one in workers[5:]) == 12, 3 * LONG, "five share them")
        wait_for_all(broker, 2 * LONG)
        assert sorted(one.owned() for one in workers[5:]) == [2, 2, 2, 3, 3]
        assert len(ends(broker)) == 12
    finally:
        for one in workers:
            one.process.stop()
    must_be_exact(broker)
