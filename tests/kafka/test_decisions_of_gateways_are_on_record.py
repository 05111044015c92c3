"""What gateway processes decided is on record: all of it after a clean stop, all but the last moment after a kill."""

import http.client
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, cast

import orjson
import pytest

from consumers.decisions.replaying import Replayer
from ledger.adapters.kafka_decisions import KafkaDecisions
from ledger.broker import Broker
from ledger.log import Log
from schemas.distributed import LoggedDecision
from stack.processes import LOOPBACK
from tests.consumers.facts_log import FactsLog
from tests.kafka.gateways import NUMBER, Ran
from tests.kafka.table_writer import TableWriter
from tests.kafka.test_gateway_agrees_with_the_reference_model import facts_of

pytestmark = pytest.mark.kafka
QUEUE_S = 2.0
"""Longer than decisions wait for a broker that is at hand (50 ms and a batch), also on a busy machine."""


class Answered(NamedTuple):
    """An answer that somebody got, and when (monotonic, seconds)."""

    decision_id: str
    at: float


def asked(port: int, seconds: float) -> list[Answered]:
    """Asks in one connection for so long."""
    found: list[Answered] = []
    question = orjson.dumps({"contact": NUMBER, "channel": "sms", "purpose": "marketing.offers"})
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.request("POST", "/v1/decisions", question)
        said = orjson.loads(connection.getresponse().read())
        found.append(Answered(said["decision_id"], time.monotonic()))
    connection.close()
    return found


def on_record(broker: Broker) -> dict[str, LoggedDecision]:
    """All that is, by id."""
    with closing(KafkaDecisions(broker)) as decisions:
        return {one.decision_id: one for one in (stored.read() for stored in decisions.scan())}


def test_a_kill_loses_what_was_decided_in_the_last_moment_and_a_clean_stop_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceGranted", "number", NUMBER)
        first = Ran(broker, tmp_path / "home")
        first.says("granted")
        before = asked(first.port, QUEUE_S + 2)
        first.process.kill()
        killed_at = time.monotonic()
        second = Ran(broker, tmp_path / "home")
        second.says("granted")
        after = asked(second.port, 1)
        assert second.process.stop() == 0
        found = on_record(broker)
        facts = facts_of(ledger)
    lost = [one for one in before if one.decision_id not in found]
    assert all(killed_at - one.at < QUEUE_S for one in lost), lost
    assert len(lost) < len(before)
    assert [one for one in after if one.decision_id not in found] == []
    replayer = Replayer(cast(Log, FactsLog(facts, ledger.partitions)))
    assert len({record.reason for record in found.values()}) > 1  # stale ones of the start are among them
    assert [record for record in found.values() if replayer.replay(record).differences()] == []
