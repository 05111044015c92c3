"""From the topics alone a gateway reads half of many states in another process: it is the copy that one would read."""

import os
import signal
from pathlib import Path
from random import Random

import pytest

from consumers.gateway import spilling
from consumers.replica import Replica
from ledger.broker import Broker
from schemas.topics import partition_of
from stack.processes import wait_until
from tests.consumers.asking import REFERENCES
from tests.kafka.gateways import gateway, readers
from tests.kafka.table_writer import TableWriter

pytestmark = pytest.mark.kafka
LONG = 60.0
NUMBERS = [f"+1416555{number:04d}" for number in range(120)]


def told(ledger: TableWriter, rng: Random) -> None:
    """People say yes and no, again and again, and come into accounts."""
    for _ in range(3):
        said = [(rng.choice(("PreferenceGranted", "PreferenceRevoked")), number) for number in rng.sample(NUMBERS, 90)]
        ledger.say([ledger.event(type_, "number", number) for type_, number in said])
        linked = [(number, str(rng.randrange(9))) for number in rng.sample(NUMBERS, 30)]
        ledger.say(
            [ledger.event("ContactLinked", "number", number, account=name, reason="added") for number, name in linked]
        )
        ledger.fold()
    ledger.say([ledger.event("PreferenceRevoked", "account", str(name)) for name in range(0, 9, 2)])
    ledger.fold()


def where(number: str) -> int:
    """The partition of its state."""
    return partition_of(REFERENCES.of("number", number), 5)


def copied(broker: Broker, folder: Path, name: str) -> Replica:
    """What a gateway has that began with nothing."""
    with gateway(broker, folder, name) as asked:
        asked.wait_until_current(LONG)
        replica = asked.running.replica
        assert asked.running.failed is None
        return replica


def test_both_halves_together_are_the_copy_that_one_process_reads(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[spilling.Half | None] = []

    def half(*asked: object) -> spilling.Half | None:
        given.append(spilling.half(*asked))  # type: ignore[arg-type]
        return given[-1]

    monkeypatch.setattr("consumers.gateway.keeping.half", half)
    with TableWriter(broker, partitions=5) as ledger:
        told(ledger, Random(4))
        broken = [next(number for number in NUMBERS if where(number) == partition) for partition in (1, 2)]
        for number in broken:
            ledger.put("by-number", where(number), REFERENCES.of("number", number), b"\x00 no state")
        with ledger.working():
            alone = copied(broker, tmp_path, "alone")
            monkeypatch.setattr(spilling, "MANY", 1)
            halved = copied(broker, tmp_path, "halved")
    assert given[0] is None
    assert given[1] is not None
    assert {place.partition for place in given[1].positions} == {1, 3}
    assert all(halved.watermark()[partition] >= offset for partition, offset in alone.watermark().items())
    assert sorted(halved.items()) == sorted(alone.items())
    held = {number for number in NUMBERS if halved.contact(REFERENCES.digest("number", number)).holds}
    assert held == set(broken)


def test_the_other_reader_may_be_killed_and_ends_with_its_gateway(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spilling, "MANY", 1)
    with TableWriter(broker, partitions=2) as ledger:
        told(ledger, Random(5))
        with ledger.working(), gateway(broker, tmp_path) as asked:
            wait_until(lambda: bool(others()), LONG, "another process reads")
            for pid in others():
                os.kill(pid, signal.SIGKILL)
            asked.wait_until_current(LONG)
            assert asked.running.failed is None
        assert "ended before its time" in caplog.text
        stopped = gateway(broker, tmp_path, "sms-2").start()
        wait_until(lambda: bool(others()), LONG, "another process reads")
        stopped.stop()
        assert others() == []


def others() -> list[int]:
    """The processes of ours that read half of the tables."""
    return readers(os.getpid(), "consumers.child")
