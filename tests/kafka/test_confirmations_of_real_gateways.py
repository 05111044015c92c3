"""`confirm` over what real gateways have told: one that was frozen, one that is gone, one that came later."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from consumers.adapters.kafka_receipts import KafkaReceipts
from consumers.bootstrap.gateways import retire
from consumers.confirm import Confirming
from consumers.settings import Settings
from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.broker import Broker
from schemas.encoding import decode
from schemas.events import OPERATOR_TRAFFIC, Event
from schemas.scope import Scope
from stack.processes import wait_until
from tests.kafka.gateways import NUMBER, Ran, gateway, offers, readers, reason, receipts
from tests.kafka.table_writer import SHORT, TableWriter

pytestmark = pytest.mark.kafka
LONG = 60.0
ENOUGH = 20


@contextmanager
def confirming(ledger: TableWriter, folder: Path) -> Iterator[Callable[[Event], Confirming]]:
    """Makes confirmations of events; all that takes its time is done before the first."""
    with closing(KafkaTopics(ledger.broker)) as topics:
        topic = topics.check([ledger.broker.topics.ledger])[ledger.broker.topics.ledger]
    with (
        closing(KafkaLog(ledger.broker, folder / "mirror.db", topic.partitions, topic.topic_id)) as log,
        closing(KafkaReceipts(ledger.broker)) as told,
    ):
        yield lambda event: Confirming(log, told, event.event_id)


def said(ledger: TableWriter, type_: str, kind: str, id_: str, **fields: object) -> Event:
    """Says it; the event."""
    event = ledger.event(type_, kind, id_, **fields)
    ledger.say([event])
    return event


def test_a_gateway_that_was_frozen_past_its_lease_counts_as_one_that_sends_no_more_and_is_so(
    broker: Broker, tmp_path: Path
) -> None:
    with (
        TableWriter(broker, policy=SHORT) as ledger,
        ledger.working(),
        confirming(ledger, tmp_path) as confirm,
        ExitStack() as stack,
    ):
        ledger.says("PreferenceGranted", "number", NUMBER)
        ran = Ran(broker, tmp_path / "home")
        stack.enter_context(ran.process)
        ran.says("granted")
        [reader] = readers(ran.process.pid)
        for pid in (ran.process.pid, reader):
            os.kill(pid, signal.SIGSTOP)
        event = said(ledger, "PreferenceRevoked", "number", NUMBER)
        asked = confirm(event)
        [one] = asked.look().enforcement.gateways
        assert (one.state, one.at) == ("waiting", None)
        found = asked.wait(LONG).enforcement
        last = receipts(broker)[-1]
        [one] = found.gateways
        assert (one.name, one.process, one.state) == ("sms-1", last.process, "expired")
        assert found.at == one.at
        assert found.at is not None
        assert found.at >= last.at + last.lease_ms
        # Its reader is still frozen: it has the grant, and nothing that has told it of the opt-out.
        ran.process.signal(signal.SIGCONT)
        seen = [reason(ran.port) for _ in range(ENOUGH)]
        assert seen[0] == "stale"
        assert set(seen) <= {"stale", "revoked_by_number"}
        with suppress(ProcessLookupError):  # a gateway that was behind for too long begins with another one
            os.kill(reader, signal.SIGCONT)
        while (now := reason(ran.port)) != "revoked_by_number":
            assert now == "stale"
        assert receipts(broker)[-1].process == last.process
        assert ran.process.stop() == 0
        # It has told since then that it has the event, and that it ended: what was said to the customer stays true.
        assert confirm(event).look().enforcement == found


def test_a_gateway_that_is_gone_is_waited_for_until_it_is_retired(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working(), confirming(ledger, tmp_path) as confirm:
        ran = Ran(broker, tmp_path / "home")
        ran.says("no_consent")
        ran.process.kill()
        settings = Settings(
            home=tmp_path / "home", ledger_url=f"kafka://{broker.name}", topics_prefix=broker.topics.prefix
        )
        events = [
            said(ledger, "PreferenceRevoked", "number", NUMBER),
            said(ledger, "TrafficHalted", "operator", OPERATOR_TRAFFIC, scope=Scope()),
        ]
        for event in events:
            [one] = confirm(event).look().enforcement.gateways
            assert one.state == "waiting"
        [gone] = retire(settings, "sms-1")
        [at] = [
            entry.recorded_at
            for partition in range(ledger.partitions)
            for entry in ledger.read(partition)
            if decode(entry.value).type == "GatewayRetired"
        ]
        for event in events:  # the stop switch too, for which no lease runs out
            found = confirm(event).wait(LONG).enforcement
            [one] = found.gateways
            assert (one.process, one.state, one.at, found.at) == (gone.process, "expired", at, at)


def test_a_gateway_that_started_after_an_event_is_not_waited_for_and_allows_nothing_without_it(
    broker: Broker, tmp_path: Path
) -> None:
    with TableWriter(broker) as ledger, confirming(ledger, tmp_path) as confirm:
        ledger.says("PreferenceGranted", "number", NUMBER)
        ledger.fold()
        event = said(ledger, "PreferenceRevoked", "number", NUMBER)  # no worker has folded it
        before = confirm(event).look()
        assert before.enforcement == (True, before.recorded_at, ())
        with gateway(broker, tmp_path) as asked:
            wait_until(lambda: len(receipts(broker)) > 2, LONG, "it tells")
            assert {offers(asked) for _ in range(ENOUGH)} == {"stale"}
            assert confirm(event).look() == before
            with ledger.working():
                seen = set()
                while (now := offers(asked)) != "revoked_by_number":
                    seen.add(now)
                assert seen <= {"stale"}
            wait_until(lambda: receipts(broker)[-1].state == "current", LONG, "it tells that it has it")
            assert confirm(event).look() == before
