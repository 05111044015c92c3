"""A broker that cannot write any more acknowledges nothing, and what it had acknowledged is there once it has room.

A worker and a gateway stand beside it: they go on where they were, without a restart.
"""

import os
import resource
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.errors import UnavailableError
from ledger.log import Appended, Entry
from stack.processes import wait_until
from tests.kafka.kafka_logs import Place
from tests.kafka.stage import Part, Stage
from tests.kafka.test_acknowledged_means_stored import named
from tests.kafka.workers import must_be_exact, wait_for_all

pytestmark = pytest.mark.kafka

ROOM = 12 << 20
"""Bytes of the largest file: just above what the broker sets aside for an index, so that a segment meets the end."""
LARGE = 200_000
ID = 36
TIMEOUT = 4.0
NUMBER = "+14165550123"
OFFERS = {"channel": "sms", "purpose": "marketing.offers"}
OPTIONS = ("--channel", "sms", "--purpose", "marketing.offers")


def test_nothing_is_acknowledged_that_found_no_room_and_nothing_is_lost(tmp_path: Path) -> None:
    with Stage(tmp_path, workers=1, gateways=1, partitions=1) as stage:
        [worker], [gateway] = stage.workers, stage.gateways
        place = place_of(stage)
        stage.run("grant", NUMBER, *OPTIONS, "--basis", "express")
        must_say(gateway, "granted")
        with closing(place.log(timeout=TIMEOUT)) as log:
            acknowledged = filled(log, stage)
            stage.run("revoke", NUMBER, *OPTIONS, expected=3)
            assert gateway.decide(contact=NUMBER, **OFFERS) is not None
            # A broker with one disk ends when it cannot write there; who looks after it makes room and starts it.
            stage.kafka.kill()
            stage.kafka.start()
            again = named()
            wait_until(lambda: _appended(log, again), 120, "entries are acknowledged again")
        stage.run("revoke", NUMBER, *OPTIONS)
        must_say(gateway, "revoked_by_number")
        wait_for_all(place.broker, 120)
        must_be_exact(place.broker)
        assert (worker.process.code, gateway.process.code) == (None, None)
        with closing(place.log("another")) as log:
            stored = {one.value[:ID].decode() for one in log.read(0)}
        assert {*acknowledged, again.event_id} <= stored


def place_of(stage: Stage) -> Place:
    """The topics of a stage."""
    broker = stage.settings.broker()
    with closing(KafkaTopics(broker)) as topics:
        folder = stage.folder / "mirrors"
        folder.mkdir()
        return Place(broker, folder, topics.check())


def must_say(gateway: Part, reason: str) -> None:
    """Waits until a gateway answers so."""
    gateway.process.wait_until(
        lambda: (gateway.decide(contact=NUMBER, **OFFERS) or {}).get("reason") == reason, 120, f"it says {reason}"
    )


def filled(log: KafkaLog, stage: Stage) -> list[str]:
    """Appends until the broker has no room; the ids of what was acknowledged."""
    acknowledged: list[str] = []
    log.append([named()])
    resource.prlimit(stage.kafka.process.pid, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
    for _ in range(2 * ROOM // LARGE):
        one = named()
        try:
            [outcome] = log.append([replace(one, value=one.value + os.urandom(LARGE))])
        except UnavailableError as error:
            assert "nothing was acknowledged" in str(error)  # noqa: PT017  # until then none is raised
            assert acknowledged  # it is not by another fault
            return acknowledged
        assert isinstance(outcome, Appended)
        acknowledged.append(one.event_id)
    raise AssertionError("the broker never ran out of room")


def _appended(log: KafkaLog, one: Entry) -> bool:
    try:
        log.append([one])
    except UnavailableError:
        return False
    return True
