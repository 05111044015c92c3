"""Whoever was told that an entry is stored finds it again, whatever is killed; whoever was not gets an error."""

import os
import random
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.kafka_client import producer
from ledger.adapters.kafka_log import KafkaLog
from ledger.broker import Broker
from ledger.errors import UnavailableError
from ledger.log import Appended, Entry
from stack.kafka import Kafka
from stack.processes import Process, wait_until
from tests.contracts.log import entry
from tests.kafka.kafka_logs import Place, new_place

pytestmark = pytest.mark.kafka

ROUNDS = 6
TIMEOUT = 4.0


def ids_in(log: KafkaLog) -> list[str]:
    """The event ids of all that is in the topic, as a machine that has never seen it reads it."""
    return [one.value.decode() for partition in range(log.partitions) for one in log.read(partition)]


def named() -> Entry:
    """An entry whose value is its id."""
    one = entry()
    return Entry(one.key, one.event_id.encode(), one.event_id, one.claim, one.content)


def test_a_writer_waits_for_all_replicas_and_is_never_taken_for_two(broker_address: str) -> None:
    """One broker cannot show what it is for; three do (`make soak`)."""
    with closing(producer(Broker((broker_address,)))) as made:
        assert (made.config["acks"], made.config["enable_idempotence"]) == (-1, True)


def test_what_was_acknowledged_before_a_kill_of_the_writer_is_stored(broker_address: str, tmp_path: Path) -> None:
    place = new_place(broker_address, tmp_path, 3)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    chance = random.Random()
    command = [sys.executable, "-m", "tests.kafka.appender", broker_address, place.broker.topics.prefix]
    root = Path(__file__).parents[2]
    for _round in range(ROUNDS):
        lines = len(acknowledged.read_text())
        machine = tmp_path / "killed.db"
        with Process("appender", [*command, str(machine), str(acknowledged)], tmp_path / "log", folder=root) as process:
            process.wait_until(lambda was=lines: len(acknowledged.read_text()) > was, 60, "something is acknowledged")
            time.sleep(chance.uniform(0, 0.2))
            process.kill()
    told = set(acknowledged.read_text().split("\n")[:-1])
    with closing(place.log("another")) as log:
        log.ends()
        missing = [event_id for event_id in told if log.find(event_id) is None]
    assert missing == []
    assert len(told) > 2 * ROUNDS


def test_a_broker_that_is_killed_takes_nothing_back(own_kafka: Kafka, tmp_path: Path) -> None:
    place = new_place(own_kafka.address, tmp_path / "mirrors", 3)
    stop = threading.Event()
    acknowledged: list[str] = []
    refused: list[str] = []
    errors: list[BaseException] = []

    def append(log: KafkaLog) -> None:
        while not stop.is_set():
            one = named()
            try:
                [outcome] = log.append([one])
            except UnavailableError:
                refused.append(one.event_id)
            except BaseException as error:
                errors.append(error)
                return
            else:
                assert isinstance(outcome, Appended)
                acknowledged.append(one.event_id)

    with closing(place.log(timeout=TIMEOUT)) as log:
        threads = [threading.Thread(target=append, args=(log,)) for _thread in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acknowledged) > 50, 60, "entries are acknowledged")
        own_kafka.kill()
        wait_until(lambda: len(refused) >= 4, 120, "everybody who waits is told")
        own_kafka.start()
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 50, 120, "entries are acknowledged again")
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    with closing(place.log("another")) as log:
        stored = ids_in(log)
    assert set(acknowledged) <= set(stored)
    assert len(set(stored)) == len(stored)
    # What was refused may be there: the acknowledgement was lost. Nothing else is.
    assert set(stored) <= set(acknowledged) | set(refused)


def test_a_broker_that_hangs_or_is_away_is_said_and_memory_is_bounded(own_kafka: Kafka, tmp_path: Path) -> None:
    place = new_place(own_kafka.address, tmp_path / "mirrors")
    own_kafka.process.signal(signal.SIGSTOP)
    try:
        _assert_says_it_is_away(place, "hanging")
        with closing(place.log("full", timeout=TIMEOUT)) as log:
            large = [entry(value=os.urandom(1_000_000)) for _entry in range(64)]
            waiting = [log.submit([one]) for one in large[:60]]
            with pytest.raises(UnavailableError, match="wait to be written already"):
                log.submit(large[:16])
            for future in waiting:
                with pytest.raises(UnavailableError):
                    future.result(120)
    finally:
        own_kafka.process.signal(signal.SIGCONT)
    own_kafka.stop()
    _assert_says_it_is_away(place, "away")


def _assert_says_it_is_away(place: Place, machine: str) -> None:
    with closing(place.log(machine, timeout=TIMEOUT)) as log:
        with pytest.raises(UnavailableError, match="nothing was acknowledged"):
            log.append([entry()])
        with pytest.raises(UnavailableError):
            log.ends()
    with closing(place.people(b"k" * 32, machine, timeout=TIMEOUT)) as people, pytest.raises(UnavailableError):
        people.identity("ab" * 16)
