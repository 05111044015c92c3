"""Tables that were rebuilt from the first entry are those that workers wrote, and workers go on from them."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson

from ledger.broker import Broker
from schemas.topics import TABLES
from stack.processes import wait_until
from tests.kafka.workers import (
    LONG,
    MARKS,
    Worker,
    append,
    entries,
    folded,
    make_topics,
    must_be_exact,
    simple_entries,
    tables,
    told,
    wait_for_all,
)

pytestmark = MARKS


def rebuilt(broker: Broker, version: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """What the command says."""
    command = [sys.executable, "-m", "consumers.cli.main", "worker", "rebuild", "--to-version", str(version), "--json"]
    environment = {
        "PREFLEDGER_LEDGER_URL": f"kafka://{broker.name}",
        "PREFLEDGER_TOPICS_PREFIX": broker.topics.prefix,
        "PREFLEDGER_TOPICS_VERSION": str(broker.topics.version),
        "PREFLEDGER_HOME": str(folder),
    }
    return subprocess.run(command, env={**os.environ, **environment}, check=False, capture_output=True, text=True)


def test_rebuilt_tables_are_those_of_a_worker(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    poison = [("f" * 32, b"not json"), ("f" * 32, b"{}"), ("k" * 600_000, b"{}")]
    append(broker, [*simple_entries(1, 5_000, 300), *poison, *(entry for seed in range(20) for entry in entries(seed))])
    with Worker(broker, tmp_path):
        wait_for_all(broker)
    beside = replace(broker, topics=broker.topics._replace(version=2))
    make_topics(beside)
    append(beside, simple_entries(3, 10, 3))  # as a ledger that was opened has entries
    said = rebuilt(broker, 2, tmp_path)
    assert said.returncode == 0, said.stderr
    live, new = tables(broker), tables(beside)
    assert new.parts == live.parts == folded(broker)
    assert {place: marks[-1] for place, marks in live.marks.items()} == {
        place: marks[-1] for place, marks in new.marks.items()
    }
    assert orjson.loads(said.stdout)["entries"] == 5_000 + len(poison) + 20 * 24
    assert sum(map(len, told(beside, beside.topics.rejected).values())) == len(poison)
    worker = Worker(beside, tmp_path, "beside")
    wait_until(lambda: worker.process.code is not None, LONG, "it has ended")
    assert worker.process.code == 2
    assert "made from another ledger" in worker.process.said()


def test_a_worker_goes_on_from_rebuilt_tables(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    append(broker, simple_entries(1, 2_000, 300))
    assert rebuilt(broker, 1, tmp_path).returncode == 0
    append(broker, simple_entries(2, 2_000, 300))
    with Worker(broker, tmp_path) as worker:
        wait_for_all(broker)
        assert worker.metrics()["events_folded_total"] == 2_000
    must_be_exact(broker)


def test_live_tables_are_never_written_over(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    append(broker, simple_entries(1, 100, 30))
    with Worker(broker, tmp_path):
        wait_for_all(broker)
    before = {name: told(broker, broker.topics.table(name)) for name in TABLES}
    said = rebuilt(broker, 1, tmp_path)
    assert said.returncode == 2
    assert "not empty" in said.stderr
    assert {name: told(broker, broker.topics.table(name)) for name in TABLES} == before
