"""A randomised run of a whole ledger in which everything may be killed, and the judgement of it afterwards.

People say yes and no, join accounts and leave them, all through the ledger's own door; gateways are asked all the
time; and something is always being killed, stopped or cut off. At the end four things must be true, whatever happened:
nothing that was acknowledged is lost, nothing is applied twice, every answer of every gateway is the reference model's
at the watermark that it named, and none is from before an event that was known to be enforced when it was asked for.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from consumers.bootstrap import open_ledger, open_receipts
from consumers.confirm import Confirming
from consumers.opened import Ledger
from ledger.adapters.kafka_client import producer
from ledger.errors import UnavailableError
from ledger.record import Receipt
from ledger.requests import AnyRequest, Grant, Link, Operate, Origin, Revoke, Unlink
from schemas.errors import InputError
from schemas.events import OPERATOR_TRAFFIC
from schemas.subject import Subject
from tests.kafka.stage import Stage

NUMBERS = [f"+1416555{number:04d}" for number in range(100, 340)]
NUMBERS_AT_A_TIME, ACCOUNTS = 40, 6
"""At a time: every five minutes there are others. The reference model looks at the events of a contact in pairs, so
what it takes to judge an answer grows with the square of how long its contact has been spoken of."""
ERA_S = 300
BRAND, CHANNEL = "acme", "sms"
PURPOSES = ("marketing.offers", "marketing.surveys", "service.notices", "service.codes")
NEVER_NEEDS = "service.codes"
SYSTEM = Origin(actor="system:long-run", source="test")
STALE = "stale"
EVERYTHING = (
    "kill_worker", "end_worker", "freeze_worker", "kill_gateway", "end_gateway", "freeze_gateway", "kill_broker",
    "end_broker", "freeze_broker", "poison", "spoil_snapshot",
)  # fmt: skip
"""What can happen to a ledger at any time. A full disk, compaction with a lag of seconds and clocks an hour apart need
a broker, topics or processes of their own, and have tests of their own."""


class Asked(NamedTuple):
    """An answer of a gateway, and when it was asked (this machine's monotonic clock)."""

    gateway: str
    at: float
    said: Mapping[str, Any]


class Enforced(NamedTuple):
    """An event that was confirmed as in force everywhere, and when that was known."""

    receipt: Receipt
    known_at: float


@dataclass
class Story:
    """What was seen."""

    acknowledged: list[Receipt] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    enforced: list[Enforced] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refused: int = 0


class LongRun:
    """Writers, askers, a confirmer and one who breaks things, for some seconds, from one seed."""

    def __init__(self, stage: Stage, seed: int, faults: Sequence[str]) -> None:
        self.stage, self.story = stage, Story()
        self._seed, self._faults = seed, faults
        self._over = threading.Event()
        self._to_confirm: list[Receipt] = []
        self._started = time.monotonic()

    def _era(self) -> int:
        """How often others took the place of those that are spoken of."""
        return int((time.monotonic() - self._started) // ERA_S)

    def run(self, seconds: float) -> Story:
        """Lets it happen, then mends everything and waits until all is current again."""
        roles: list[Callable[[Random], None]] = [
            self._write,
            self._write,
            self._ask,
            self._ask,
            self._confirm,
            self._break,
        ]
        with ThreadPoolExecutor(len(roles)) as pool:
            running = [pool.submit(role, Random(f"{self._seed}/{place}")) for place, role in enumerate(roles)]
            end = time.monotonic() + seconds
            while time.monotonic() < end and not any(one.done() for one in running):
                time.sleep(0.2)
            self._over.set()
            for one in running:
                one.result()
        for part in (*self.stage.workers, *self.stage.gateways):
            part.ready(180)
        return self.story

    # --- who speaks

    def _write(self, rng: Random) -> None:
        with self._opened() as ledger:
            number = 0
            while not self._over.is_set():
                number += 1
                request = _something(rng, self._era(), f"{self._seed}/{rng.random()}/{number}")
                self._until_acknowledged(ledger, request)
                time.sleep(rng.expovariate(20))

    def _opened(self) -> Ledger:
        """Opens the ledger, as often as it takes: the broker may be away."""
        while True:
            try:
                return open_ledger(self.stage.settings)
            except UnavailableError:
                time.sleep(0.5)

    def _until_acknowledged(self, ledger: Ledger, request: AnyRequest) -> None:
        """Repeats with the same key until it is acknowledged, as every caller is told to do."""
        while not self._over.is_set():
            try:
                receipt = ledger.recorder.record(request)
            except UnavailableError:
                time.sleep(0.2)
            except InputError:
                self.story.refused += 1
                return
            else:
                self.story.acknowledged.append(receipt)
                if isinstance(request, Revoke):
                    self._to_confirm.append(receipt)
                return

    # --- who asks

    def _ask(self, rng: Random) -> None:
        while not self._over.is_set():
            gateway = rng.choice(self.stage.gateways)
            question = {
                "contact": rng.choice(numbers_of(self._era())),
                "channel": CHANNEL,
                "purpose": rng.choice(PURPOSES),
                "brand": BRAND,
            }
            at = time.monotonic()
            said = gateway.decide(**question)
            if said is not None:
                self.story.asked.append(Asked(gateway.name, at, said))
            time.sleep(0.005)

    def _confirm(self, rng: Random) -> None:
        with self._opened() as ledger:
            while not self._over.is_set():
                if not self._to_confirm:
                    time.sleep(0.05)
                    continue
                receipt = self._to_confirm.pop(rng.randrange(len(self._to_confirm)))
                try:
                    with open_receipts(self.stage.settings) as receipts:
                        found = Confirming(ledger.log, receipts, receipt.event_id).wait(2)
                except UnavailableError:
                    continue
                if found.enforcement.enforced:
                    self.story.enforced.append(Enforced(receipt, time.monotonic()))

    # --- who breaks things

    def _break(self, rng: Random) -> None:
        ahead: list[str] = []
        while not self._over.wait(rng.uniform(0.5, 3)):
            if not ahead:  # each of them before any of them again
                ahead = rng.sample(self._faults, len(self._faults))
            fault = ahead.pop()
            self.story.faults.append(fault)
            getattr(self, f"_fault_{fault}")(rng)

    def _fault_kill_worker(self, rng: Random) -> None:
        part = rng.choice(self.stage.workers)
        part.process.kill()
        self._over.wait(rng.uniform(0, 2))
        part.start()

    def _fault_end_worker(self, rng: Random) -> None:
        part = rng.choice(self.stage.workers)
        part.process.stop()
        part.start()

    def _fault_freeze_worker(self, rng: Random) -> None:
        part = rng.choice(self.stage.workers)
        part.process.signal(signal.SIGSTOP)
        self._over.wait(rng.uniform(1, 15))
        part.process.signal(signal.SIGCONT)
        time.sleep(1)
        if part.process.code is not None:  # it may give up, to be started again by whoever looks after it
            part.start()

    def _fault_kill_gateway(self, rng: Random) -> None:
        part = rng.choice(self.stage.gateways)
        part.process.kill()
        self._over.wait(rng.uniform(0, 2))
        part.start()

    def _fault_end_gateway(self, rng: Random) -> None:
        part = rng.choice(self.stage.gateways)
        part.process.stop()
        part.start()

    def _fault_freeze_gateway(self, rng: Random) -> None:
        part = rng.choice(self.stage.gateways)
        part.process.signal(signal.SIGSTOP)
        self._over.wait(rng.uniform(1, 8))
        part.process.signal(signal.SIGCONT)

    def _fault_kill_broker(self, rng: Random) -> None:
        self.stage.kafka.kill()
        self._over.wait(rng.uniform(0, 4))
        self.stage.kafka.start()

    def _fault_end_broker(self, rng: Random) -> None:
        self.stage.kafka.stop()
        self._over.wait(rng.uniform(0, 4))
        self.stage.kafka.start()

    def _fault_poison(self, rng: Random) -> None:
        """What is no entry, no receipt and no decision, in the topics that others than the worker write to."""
        broker = self.stage.settings.broker()
        with closing(producer(broker)) as writing:
            for topic in (broker.topics.ledger, broker.topics.receipts, broker.topics.decisions):
                writing.send(topic, rng.choice((b"\xff", b"{}", b"[1")), key=rng.randbytes(16).hex().encode())

    def _fault_spoil_snapshot(self, rng: Random) -> None:
        part = rng.choice(self.stage.gateways)
        part.process.kill()
        snapshot = self.stage.snapshot_of(part)
        if snapshot.exists():
            os.truncate(snapshot, rng.randrange(snapshot.stat().st_size + 1))
        part.start()

    def _fault_freeze_broker(self, rng: Random) -> None:
        self.stage.kafka.process.signal(signal.SIGSTOP)
        self._over.wait(rng.uniform(1, 6))
        self.stage.kafka.process.signal(signal.SIGCONT)


def numbers_of(era: int) -> list[str]:
    """Those that are spoken of and asked about in an era."""
    first = era * NUMBERS_AT_A_TIME % len(NUMBERS)
    return NUMBERS[first : first + NUMBERS_AT_A_TIME]


def _something(rng: Random, era: int, key: str) -> AnyRequest:
    """What somebody says: mostly yes and no, and who belongs to whom."""
    number = Subject("number", rng.choice(numbers_of(era)))
    account = Subject("account", f"ACC-{era}-{rng.randrange(ACCOUNTS)}")
    whom = number if rng.random() < 0.7 else account
    purpose = rng.choice(("*", "marketing", "marketing.offers", "service"))
    said: dict[str, Any] = {"origin": SYSTEM, "idempotency_key": key}
    draw = rng.random()
    if draw < 0.35:
        return Revoke(subject=whom, brand="*", channel=rng.choice(("*", CHANNEL)), purpose=purpose, **said)
    if draw < 0.75:
        named = "marketing.offers" if purpose == "*" else purpose
        return Grant(subject=whom, brand=BRAND, channel=CHANNEL, purpose=named, basis="express", **said)
    if draw < 0.87:
        return Link(subject=number, account=account, **said)
    if draw < 0.97:
        return Unlink(subject=number, account=account, **said)
    switch = "TrafficHalted" if rng.random() < 0.4 else "TrafficResumed"
    scope = {"scope": {"brand": "*", "channel": "*", "purpose": "marketing.surveys"}}
    return Operate(type=switch, subject=OPERATOR_TRAFFIC, details=scope, **said)
