"""`confirm`, as it is typed, of what was recorded four years ago: receipts are kept, and say the same for ever."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.kafka_client import producer
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.broker import Broker
from schemas.distributed import Receipt
from schemas.encoding import decode, encode
from schemas.events import OPERATOR_GATEWAYS, OPERATOR_LEDGER, OPERATOR_POLICY, OPERATOR_TRAFFIC, Event
from schemas.scope import Scope
from schemas.times import DAY, SECOND, rfc3339
from schemas.topics import partition_of
from tests.consumers.asking import NUMBER, POLICY, REFERENCES
from tests.consumers.commands import Commands
from tests.histories import make_event
from tests.kafka.workers import MARKS, Worker, told, wait_for_all

pytestmark = MARKS
PARTITIONS = 2
YEAR = 365 * DAY
LEASE, MARGIN = 30 * SECOND, 5 * SECOND
OPENED = (time.time_ns() // 1_000_000 // DAY) * DAY - 4 * YEAR
SAID = OPENED + 60 * SECOND
KILLED = SAID - 10 * SECOND
HALTED = SAID + DAY
STAYS, DIES, ENDS, COMES, FAILS = (f"0199a0a8-3c00-7000-8000-0000000000{number:02d}" for number in range(1, 6))
"""Processes: one that goes on for years, one that was killed, one that ended cleanly, one that came a year later, and
one that was registered longer than a lease before the opt-out, and never told anything."""
NAMES = {STAYS: "sms-1", DIES: "sms-2", ENDS: "sms-3", COMES: "sms-4", FAILS: "sms-5"}


class Past:
    """What was written years ago, with the times of then; it is over when the topics take the broker's again."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._writing = producer(broker)
        self._number = 0
        self.ends = dict.fromkeys(range(PARTITIONS), 0)
        self._stamp("CreateTime")

    def says(self, at: int, type_: str, kind: str, subject: str, **said: object) -> Event:
        """An event, recorded at that time."""
        self._number += 1
        id_ = f"0199a0a8-3c00-7000-8000-{self._number:012x}"
        event = make_event(
            type_, kind=kind, subject=subject, occurred_at=at, event_id=id_, idempotency_key=f"{self._number:032x}",
            **said,
        )  # fmt: skip
        partition = partition_of(subject, PARTITIONS)
        stored = self._writing.send(
            self._broker.topics.ledger, encode(event), subject.encode(), partition=partition, timestamp_ms=at
        ).get(30)
        self.ends[partition] = stored.offset + 1
        return event

    def registers(self, at: int, type_: str, process: str) -> None:
        """What the ledger is told of a process."""
        self.says(at, type_, "operator", OPERATOR_GATEWAYS, gateway=NAMES[process], process=process)

    def tells(self, at: int, process: str, ended: bool = False) -> None:
        """A receipt: the process has all that was recorded so far."""
        receipt = Receipt(
            gateway=NAMES[process], process=process, at=at, watermark=dict(self.ends), fresh_for_ms=0, lease_ms=LEASE,
            policy=POLICY.label, state="ended" if ended else "current",
        )  # fmt: skip
        key = f"{NAMES[process]}/{process}".encode()
        topic = self._broker.topics.receipts
        self._writing.send(topic, receipt.model_dump_json().encode(), key, partition=0, timestamp_ms=at)

    def is_over(self) -> None:
        """From now on it is now."""
        self._writing.close()
        self._stamp("LogAppendTime")

    def _stamp(self, times: str) -> None:
        with closing(KafkaTopics(self._broker)) as topics:
            for name in (self._broker.topics.ledger, self._broker.topics.receipts):
                topics.set(name, {"message.timestamp.type": times})


@pytest.fixture
def opened(typed: Commands) -> Commands:
    """The same, once the topics are made, and empty."""
    made = typed("topics", "create", "--empty", "--partitions", str(PARTITIONS), "--replication-factor", "1")
    assert made.code == 0, made
    return typed


@pytest.fixture
def said(opened: Commands, broker: Broker) -> tuple[Event, Event]:
    """An opt-out, and the stop switch a day later; what followed for three years."""
    past = Past(broker)
    opening = {"ledger_id": STAYS, "secret_fingerprint": REFERENCES.fingerprint, "partitions": PARTITIONS}
    past.says(OPENED, "LedgerOpened", "operator", OPERATOR_LEDGER, **opening)
    past.says(OPENED, "PolicyPublished", "operator", OPERATOR_POLICY, policy=POLICY)
    for process in (STAYS, DIES, ENDS):
        past.registers(OPENED, "GatewayRegistered", process)
    past.registers(SAID - LEASE - 2 * MARGIN, "GatewayRegistered", FAILS)
    for at in range(OPENED, SAID, SECOND):
        for process in (STAYS, DIES, ENDS) if at <= KILLED else (STAYS, ENDS):
            past.tells(at, process)
    opt_out = past.says(SAID, "PreferenceRevoked", "number", REFERENCES.of("number", NUMBER), scope=Scope())
    past.tells(SAID + 2 * SECOND, STAYS)
    past.tells(SAID + 3 * SECOND, ENDS, ended=True)
    past.registers(SAID + 3 * SECOND, "GatewayRetired", ENDS)
    past.registers(SAID + 10 * SECOND, "GatewayRetired", FAILS)
    halt = past.says(HALTED, "TrafficHalted", "operator", OPERATOR_TRAFFIC, scope=Scope())
    past.tells(HALTED + SECOND, STAYS)
    past.registers(SAID + YEAR, "GatewayRegistered", COMES)
    for at in range(SAID + YEAR, SAID + 3 * YEAR, DAY):
        for process in (STAYS, COMES):
            past.tells(at, process)
    past.is_over()
    return opt_out, halt


def test_it_says_what_it_said_then_and_a_retirement_changes_only_what_was_open(
    said: tuple[Event, Event], typed: Commands, broker: Broker, tmp_path: Path
) -> None:
    opt_out, halt = (event.event_id for event in said)
    first = typed.json("confirm", opt_out)
    assert first == {
        "event_id": opt_out, "state": "enforced", "requested_at": rfc3339(SAID), "recorded_at": rfc3339(SAID),
        "enforced_at": rfc3339(KILLED + LEASE + MARGIN),
        "gateways": [
            at_gateway(STAYS, "enforced", SAID + 2 * SECOND),
            at_gateway(DIES, "expired", KILLED + LEASE + MARGIN),
            at_gateway(ENDS, "enforced", SAID + 3 * SECOND),
        ],
    }  # fmt: skip
    # No lease runs out for the stop switch: somebody has to say that the process is gone, be it years later.
    has_it = at_gateway(STAYS, "enforced", HALTED + SECOND)
    open_ = typed.json("confirm", halt)
    assert (open_["state"], open_["enforced_at"]) == ("recorded", None)
    assert open_["gateways"] == [has_it, at_gateway(DIES, "waiting", None)]
    with Worker(broker, tmp_path):
        wait_for_all(broker)
        for process in (DIES, STAYS):
            [gone] = typed.lines("gateway", "retire", NAMES[process])
            assert gone["process"] == process
    at = retired_at(broker, DIES)
    done = {"state": "enforced", "enforced_at": rfc3339(at), "gateways": [has_it, at_gateway(DIES, "expired", at)]}
    assert typed.json("confirm", halt) == open_ | done
    assert typed.json("confirm", opt_out) == first


def test_a_longer_lease_that_was_published_since_changes_nothing_of_then(
    said: tuple[Event, Event], typed: Commands
) -> None:
    opt_out, halt = (event.event_id for event in said)
    before = [typed.json("confirm", opt_out), typed.json("confirm", halt)]
    purposes = typed.json("policy", "show")["purposes"]
    longer = purposes["marketing"] | {"max_staleness_s": 6 * LEASE / SECOND}
    typed.policy({"purposes": purposes | {"marketing": longer}})
    assert [typed.json("confirm", opt_out), typed.json("confirm", halt)] == before


def at_gateway(process: str, state: str, at: int | None) -> dict[str, str | None]:
    """How far a process is, as it is printed."""
    return {"name": NAMES[process], "process": process, "state": state, "at": at and rfc3339(at)}


def retired_at(broker: Broker, process: str) -> int:
    """When it was recorded that a process is gone."""
    every = (record for records in told(broker, broker.topics.ledger).values() for record in records)
    found = [(record.timestamp, decode(record.value or b"")) for record in every]
    [at] = [at for at, event in found if event.type == "GatewayRetired" and event.process == process]
    return at
