"""A broker that cannot write any more acknowledges nothing, and what it had acknowledged is there once it has room."""

import os
import resource
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.kafka_log import KafkaLog
from ledger.errors import UnavailableError
from ledger.log import Appended
from stack.kafka import Kafka
from stack.processes import wait_until
from tests.kafka.kafka_logs import new_place
from tests.kafka.test_acknowledged_means_stored import named

pytestmark = pytest.mark.kafka

ROOM = 12 << 20
"""Bytes of the largest file: just above what the broker sets aside for an index, so that a segment meets the end."""
LARGE = 200_000
ID = 36
TIMEOUT = 4.0


def test_nothing_is_acknowledged_that_found_no_room_and_nothing_is_lost(own_kafka: Kafka, tmp_path: Path) -> None:
    place = new_place(own_kafka.address, tmp_path / "mirrors")
    acknowledged: list[str] = []
    full = threading.Event()

    def fill(log: KafkaLog) -> None:
        while not full.is_set():
            one = named()
            padded = one.value + os.urandom(LARGE)
            try:
                [outcome] = log.append([type(one)(one.key, padded, one.event_id, one.claim, one.content)])
            except UnavailableError as error:
                assert "nothing was acknowledged" in str(error)  # noqa: PT017  # it is about this one, in a thread
                full.set()
            else:
                assert isinstance(outcome, Appended)
                acknowledged.append(one.event_id)

    with closing(place.log(timeout=TIMEOUT)) as log:
        log.append([named()])
        resource.prlimit(own_kafka.process.pid, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
        filling = threading.Thread(target=fill, args=(log,))
        filling.start()
        filling.join(180)
        assert full.is_set(), "the broker never ran out of room"
        assert len(acknowledged) * LARGE < 2 * ROOM
        # A broker with one disk ends when it cannot write there; the one who looks after it makes room and starts it.
        own_kafka.kill()
        own_kafka.start()
        again = named()
        wait_until(lambda: _appended(log, again.event_id), 120, "entries are acknowledged again")
    with closing(place.log("another")) as log:
        stored = {one.value[:ID].decode() for partition in range(log.partitions) for one in log.read(partition)}
    assert set(acknowledged) <= stored


def _appended(log: KafkaLog, event_id: str) -> bool:
    one = named()
    try:
        log.append([type(one)(one.key, event_id.encode(), one.event_id, one.claim, one.content)])
    except UnavailableError:
        return False
    return True
