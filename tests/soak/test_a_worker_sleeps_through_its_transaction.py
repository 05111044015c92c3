"""A lone worker that stands still for longer than the broker waits for a transaction goes on by itself, exactly."""

import signal
import time
from pathlib import Path

import pytest

from ledger.broker import Broker
from projections.adapters.faust_producing import TRANSACTION_TIMEOUT_MS
from stack.kafka import Kafka
from stack.processes import wait_until
from tests.kafka.test_worker_faults import Flow
from tests.kafka.workers import LONG, MARKS, Worker, make_topics, must_be_exact, wait_for_all

pytestmark = [*MARKS, pytest.mark.timeout(1800)]

SLEEPS = 3
ABORTED_WITHIN_S = TRANSACTION_TIMEOUT_MS / 1000 + 15
"""The broker looks for transactions that are too old every ten seconds."""


def test_a_worker_that_sleeps_through_its_transaction_goes_on(tmp_path: Path) -> None:
    with Kafka(tmp_path / "kafka") as kafka:
        broker = Broker((kafka.address,))
        make_topics(broker)
        _goes_on(broker, tmp_path)


def _goes_on(broker: Broker, folder: Path) -> None:
    with Worker(broker, folder) as worker:
        with Flow(broker, 6, 60_000, 0.5):
            _sleeps(worker)
        wait_for_all(broker, 2 * LONG)
        assert worker.process.code is None
        must_be_exact(broker)


def _sleeps(worker: Worker) -> None:
    worker.wait_until_ready()
    for _ in range(SLEEPS):
        folded = worker.metrics()["events_folded_total"]
        wait_until(lambda before=folded: worker.metrics().get("events_folded_total", 0) > before, LONG, "it folds")
        worker.process.signal(signal.SIGSTOP)
        time.sleep(ABORTED_WITHIN_S)
        worker.process.signal(signal.SIGCONT)
        worker.process.wait_until(lambda: worker.owned() == 4, 2 * LONG, "it folds again without a restart")
