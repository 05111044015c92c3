"""A randomised run of a whole ledger in which everything may be killed, and the judgement of it afterwards.

People say yes and no, join accounts and leave them, all through the ledger's own door; gateways are asked all the
time; and something is always being killed, stopped, cut off or forged (`faults.py`, `forgeries.py`). At the end five
things must be true, whatever happened: nothing that was acknowledged is lost, nothing is applied or set aside twice,
every answer of every gateway is the reference model's at the watermark that it named, with its evidence, none is from
before an event that was known to be enforced when it was asked for, and all of them are on record as they were given
(`judged.py`, `remains.py`).
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import Any

from consumers.bootstrap import open_ledger, open_receipts
from consumers.confirm import Confirming
from consumers.opened import Ledger
from ledger.errors import UnavailableError
from ledger.record import Receipt, system_clock
from ledger.requests import AnyRequest, Grant, Link, Operate, Origin, Revoke, Unlink
from schemas.errors import InputError
from schemas.events import OPERATOR_TRAFFIC
from schemas.subject import Subject
from tests.kafka.faults import FAULTS
from tests.kafka.forgeries import FORGERIES
from tests.kafka.stage import Part, Stage
from tests.kafka.story import BRAND, CHANNEL, NUMBERS, PURPOSES, WRITERS, Asked, Enforced, Scene, Story

NUMBERS_AT_A_TIME, ACCOUNTS = 40, 6
"""At a time, of ERA_S seconds: then there are others. The reference model looks at the events of a contact in pairs, so
what it takes to judge an answer grows with the square of how long its contact has been spoken of."""
ERA_S = 150
READY_S = 180.0
AWAY = 3
"""The exit code of a worker that did not find the broker for half a minute."""
SYSTEM = Origin(actor="system:long-run", source="test")
EVERYTHING = {**FAULTS, **FORGERIES}
"""What can happen to a ledger at any time, by name. Compaction is no moment's fault but goes on all the time, on a
stage that is `Strained`. A partition without traffic for an hour cannot be among these: it takes writers who rest, and
a monotonic clock that leaps by more than a run is long. `test_gateway_answers.py` has it. Nor is the broker's own clock
moved: Java has it from the system."""


class LongRun:
    """Writers, askers, a confirmer and one who breaks things, for some seconds, from one seed."""

    def __init__(self, stage: Stage, seed: int, faults: Sequence[str]) -> None:
        self.stage, self._scene = stage, Scene(stage)
        self.story, self._over = self._scene.story, self._scene.over
        self._seed, self._faults = seed, faults
        self._to_confirm: list[Receipt] = []
        self._started = time.monotonic()

    def _era(self) -> int:
        """How often others took the place of those that are spoken of."""
        return int((time.monotonic() - self._started) // ERA_S)

    def run(self, seconds: float) -> Story:
        """Lets it happen, then mends everything and waits until all is current again."""
        roles: list[Callable[[Random], None]] = [
            *(partial(self._write, writer) for writer in range(WRITERS)),
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
            self._until_ready(part)
        return self.story

    def _until_ready(self, part: Part) -> None:
        try:
            part.ready(READY_S)
        except RuntimeError:
            if part.process.code != AWAY:
                raise
            part.start()
            part.ready(READY_S)

    # --- who speaks

    def _write(self, writer: int, rng: Random) -> None:
        with self._opened() as ledger:
            # Its machine's clock may be off; the door is otherwise the ledger's own.
            ledger.recorder._clock = lambda: system_clock() + self._scene.off_ms[writer]
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
        # A slow machine may take a minute to start the broker again: something has been confirmed before that.
        while not self.story.enforced and not self._over.is_set():
            time.sleep(0.05)
        while not self._over.wait(rng.uniform(0.5, 3)):
            if not ahead:  # each of them before any of them again
                ahead = rng.sample(self._faults, len(self._faults))
            fault = ahead.pop()
            self._look_after_workers()
            self.story.faults.append(fault)
            print(f"{time.monotonic() - self._started:.0f} s: {fault}", flush=True)
            EVERYTHING[fault](self._scene, rng)

    def _look_after_workers(self) -> None:
        """One that the broker was away from for too long ends, to be started again; none ends for any other reason."""
        for part in self.stage.workers:
            if part.process.code == AWAY:
                part.start()


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
