"""`kill -9` while `enforcement` and `decisions` are brought up, again and again: each row is there once and right."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from random import Random

import pytest

from consumers.projector import aside, decisions, enforcement
from consumers.projector.aside import Looks, looking
from consumers.projector.following import Projector
from projections.adapters.sql_read_models import SqlReadModels
from projections.read_models import ReadModels
from tests.consumers.projector.test_what_gateways_tell_comes_into_the_rows import HOUR_MS, DecisionLog, Run, rows_of
from tests.contracts.decisions import decision
from tests.forked import ending_here

KILLS = 30
LONG_S = 600


class World:
    """A run of opt-outs and receipts, and decisions beside them, which are counted here one by one."""

    def __init__(self, rng: Random) -> None:
        self.run, self.decided, self._rng = Run(rng, 200), DecisionLog(3), rng
        self.counted: Counter[tuple[object, ...]] = Counter()

    def goes_on(self) -> None:
        """Some seconds to some hours pass."""
        for _ in range(12):
            self.run.go_on()
        for _ in range(15):
            self.run.at += self._rng.choice([0, 10, 60_000, 900_000])
            made = decision(gateway=self._rng.choice(["sms-1", "sms-2"]), allowed=self._rng.random() < 0.5)
            self.decided.add(self.run.at, made)
            answer = "allowed" if made.allowed else "denied"
            hour = self.run.at // HOUR_MS * HOUR_MS
            self.counted[hour, made.gateway, made.channel, made.purpose, answer, made.reason] += 1

    def looks(self, models: ReadModels, tell: Callable[[], object]) -> Looks:
        """Both, each due again as soon as it is over; `tell` hears of the end of each."""
        receipts = self.run.receipts()

        def enforced() -> bool:
            is_more = enforcement.look(self.run.log, receipts, models, clock=lambda: self.run.at)
            tell()
            return is_more

        def decided() -> None:
            decisions.look(self.decided, models, clock=lambda: self.run.at)
            tell()

        return {enforced: 0.0, decided: 0.0}


def killed_while_looking(world: World, url: str, looks: int, pause_s: float) -> None:
    """Kills a projector's process so long after so many looks have ended."""
    heard, tells = os.pipe()
    child = os.fork()
    if child == 0:
        with ending_here(), closing(SqlReadModels(url)) as models:

            @contextmanager
            def opened(_is_asked_to_end: Callable[[], bool]) -> Iterator[Looks]:
                yield world.looks(models, lambda: os.write(tells, b"."))

            with looking(opened):
                time.sleep(LONG_S)
    os.close(tells)
    for _ in range(looks):
        assert os.read(heard, 1) == b".", "it has ended by itself"
    time.sleep(pause_s)
    os.kill(child, signal.SIGKILL)
    os.close(heard)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_after_many_kills_every_row_is_that_of_one_reckoning(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforcement, "MANY", 3)  # one opt-out of each partition a turn
    monkeypatch.setattr(aside, "REST", 0)
    rng, seen = Random(13), set[tuple[int, int]]()
    world = World(rng)
    for _ in range(KILLS):
        world.goes_on()
        with closing(SqlReadModels(url)) as models:
            Projector(world.run.log, models, clock=lambda: world.run.at).once()
        killed_while_looking(world, url, rng.randint(0, 6), rng.random() / 50)
        seen.add((len(rows_of(url, "enforcement")), sum(int(str(row[-1])) for row in rows_of(url, "decisions"))))
    assert len(seen) > KILLS / 2, "they were killed at very different places"
    world.run.at += HOUR_MS
    with closing(SqlReadModels(url)) as models:
        for look in world.looks(models, lambda: None):
            while look():
                pass
    confirmed = sorted(world.run.as_confirmed(), key=repr)
    assert rows_of(url, "enforcement") == confirmed
    assert len(confirmed) > 60
    assert rows_of(url, "decisions") == sorted(((*key, count) for key, count in world.counted.items()), key=repr)
