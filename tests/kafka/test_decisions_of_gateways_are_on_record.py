"""What gateway processes decided is on record: all of it, after a clean stop and after a kill."""

import http.client
import time
from contextlib import closing
from pathlib import Path
from typing import cast

import orjson
import pytest

from consumers.decisions.replaying import Replayer
from ledger.adapters.kafka_decisions import KafkaDecisions
from ledger.broker import Broker
from ledger.log import Log
from schemas.distributed import LoggedDecision
from stack.processes import LOOPBACK, wait_until
from tests.consumers.facts_log import FactsLog
from tests.kafka.gateways import NUMBER, Ran
from tests.kafka.table_writer import TableWriter
from tests.kafka.test_gateway_agrees_with_the_reference_model import facts_of

pytestmark = pytest.mark.kafka
LONG_S = 60
"""For which a busy machine may take to log what a process that was killed had decided."""


def asked(port: int, seconds: float) -> list[str]:
    """Asks in one connection for so long; the ids of the decisions that came as answers."""
    found: list[str] = []
    question = orjson.dumps({"contact": NUMBER, "channel": "sms", "purpose": "marketing.offers"})
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.request("POST", "/v1/decisions", question)
        said = orjson.loads(connection.getresponse().read())
        found.append(said["decision_id"])
    connection.close()
    return found


def on_record(broker: Broker) -> dict[str, LoggedDecision]:
    """All that is, by id."""
    with closing(KafkaDecisions(broker)) as decisions:
        return {one.decision_id: one for one in (stored.read() for stored in decisions.scan())}


def test_neither_a_kill_nor_a_clean_stop_loses_a_decision_that_was_answered(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceGranted", "number", NUMBER)
        first = Ran(broker, tmp_path / "home")
        first.says("granted")
        answered = asked(first.port, 4)
        first.process.kill()
        wait_until(lambda: set(answered) <= set(on_record(broker)), LONG_S, "what was answered is on record", every=1)
        second = Ran(broker, tmp_path / "home")
        second.says("granted")
        answered += asked(second.port, 1)
        assert second.process.stop() == 0
        found = on_record(broker)
        facts = facts_of(ledger)
    assert len(answered) > 500
    assert [one for one in answered if one not in found] == []
    replayer = Replayer(cast(Log, FactsLog(facts, ledger.partitions)))
    assert len({record.reason for record in found.values()}) > 1  # stale ones of the start are among them
    assert [record for record in found.values() if replayer.replay(record).differences()] == []
