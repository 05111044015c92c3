"""`enforcement` and `decisions`: look by look, at moments that nobody chose, they come to what one reckoning makes."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from consumers.confirmation import Told
from consumers.enforcing import target_of
from consumers.projector import aside, decisions, enforcement
from consumers.projector.aside import Look, Looks, looking
from consumers.projector.following import Projector
from consumers.projector.loading import load
from ledger.adapters.memory_log import MemoryLog
from ledger.decisions import Stored as Logged
from ledger.errors import UnavailableError
from projections.adapters.sql_read_models import SqlReadModels
from projections.read_models import ReadModels
from schemas.distributed import LoggedDecision
from schemas.events import PreferenceRevoked
from stack.processes import wait_until
from tests.consumers.test_late_opt_outs_are_found import PROCESSES, Stored, appended, confirmed, gateway_event, told
from tests.contracts.decisions import decision
from tests.databases import stored_rows
from tests.histories import START, history
from tests.projections.logged import entry, fact_of

HOUR_MS = 3_600_000


class Run:
    """A ledger on whose gateways opt-outs come into force, or do not, while somebody looks now and then."""

    def __init__(self, rng: Random, events: int) -> None:
        self.rng, self.at = rng, START
        self.log = MemoryLog(3, clock=lambda: self.at)
        all_of_it = [fact for _ in range(12) for fact in history(rng, events=100, partitions=3).facts]
        self.facts = [fact for fact in all_of_it if isinstance(fact.event, PreferenceRevoked) or rng.random() < 0.1]
        del self.facts[events:]
        self.told: list[Told] = []
        self.seen: dict[str, dict[int, int]] = {}
        for number, process in enumerate(PROCESSES):
            appended(self.log, gateway_event("GatewayRegistered", process, self.at, number))

    def go_on(self) -> None:
        """Something happens, some time later."""
        self.at += self.rng.choice([0, 1, 200, 900, 900, 5_000, 20_000])
        what, process = self.rng.choice(["no", "no", "no", "tell", "tell", "stall", "end"]), self.rng.choice(PROCESSES)
        if what == "no" and self.facts:
            self.log.append([entry(self.facts.pop(0), len(self.facts) + 1_000)])
        elif what in ("tell", "stall", "end"):
            if what == "tell" or process not in self.seen:
                self.seen[process] = dict(self.log.ends())
            one = told(self.at, 0, process, "ended" if what == "end" else "current")
            told_of = one.receipt.model_copy(update={"watermark": self.seen[process]})
            self.told.append(one._replace(receipt=told_of))

    def receipts(self) -> Stored:
        return Stored(list(self.told), self.at)

    def as_confirmed(self) -> Iterator[tuple[object, ...]]:
        """The rows as `confirm` would say them of each opt-out, one by one."""
        named: set[str] = set()
        for partition in self.log.ends():
            for recorded in self.log.read(partition):
                event = fact_of(recorded).event
                if isinstance(event, PreferenceRevoked) and event.event_id not in named:
                    named.add(event.event_id)
                    at_gateways = defaultdict(list)
                    target = target_of(self.log, recorded.position, recorded.recorded_at)
                    for one in confirmed(self.log, self.told, target, self.at).gateways:
                        at_gateways[one.name].append(one.at)
                    for name, times in at_gateways.items():
                        at = None if None in times else max(time for time in times if time is not None)
                        lag = None if at is None else at - recorded.recorded_at
                        requested_at = min(event.occurred_at, recorded.recorded_at)
                        yield event.event_id, name, requested_at, recorded.recorded_at, at, lag


def rows_of(url: str, table: str) -> list[tuple[object, ...]]:
    return sorted(map(tuple, stored_rows(url, table)), key=repr)


@pytest.mark.parametrize("seed", range(4))
def test_every_opt_out_is_in_force_when_a_confirmation_says_so(
    url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enforcement, "MANY", 7)
    run, models = Run(Random(seed), 60), SqlReadModels(url)
    projector, looks = Projector(run.log, models, clock=lambda: run.at), 0
    for _ in range(220):
        run.go_on()
        if run.rng.random() < 0.3:
            projector.once()
        if run.rng.random() < 0.2:
            enforcement.look(run.log, run.receipts(), models, clock=lambda: run.at)
            looks += 1
    assert looks > 20
    run.at += HOUR_MS
    projector.once()
    while enforcement.look(run.log, run.receipts(), models, clock=lambda: run.at):
        pass
    expected = sorted(run.as_confirmed(), key=repr)
    assert rows_of(url, "enforcement") == expected
    assert len(expected) > 20

    def look(new: ReadModels) -> None:
        while enforcement.look(run.log, run.receipts(), new, clock=lambda: run.at):
            pass

    load(run.log, models, clock=lambda: run.at, look=look)
    assert rows_of(url, "enforcement") == expected, "made anew they are the same"
    models.close()


def test_one_that_is_not_in_force_yet_stands_there_without_a_time(url: str) -> None:
    run, models = Run(Random(1), 20), SqlReadModels(url)
    opted_out = next(fact for fact in run.facts if isinstance(fact.event, PreferenceRevoked))
    run.told += [told(run.at, 0, process) for process in PROCESSES[:2]]
    run.at += 500
    run.log.append([entry(opted_out, 2_000)])
    Projector(run.log, models, clock=lambda: run.at).once()
    enforcement.look(run.log, run.receipts(), models, clock=lambda: run.at)
    assert {(row[1], row[4], row[5]) for row in rows_of(url, "enforcement")} == {
        ("sms-1", None, None), ("sms-2", None, None), ("sms-3", None, None)
    }  # fmt: skip
    models.close()


class DecisionLog:
    """As a topic reads: partition by partition, each in the order of its times."""

    def __init__(self, partitions: int) -> None:
        self.partitions: list[list[Logged]] = [[] for _ in range(partitions)]

    def add(self, at: int, made: LoggedDecision) -> None:
        subject = bytes.fromhex(made.subject)
        self.partitions[subject[0] % len(self.partitions)].append(Logged(at, subject, made.model_dump_json().encode()))

    def scan(self, since: int = 0, until: int | None = None) -> Iterator[Logged]:
        for some in self.partitions:
            yield from (one for one in some if one.logged_at >= since and (until is None or one.logged_at < until))


def test_decisions_are_counted_by_hour_and_each_once(url: str) -> None:
    rng, log, models, at = Random(5), DecisionLog(3), SqlReadModels(url), START
    expected: Counter[tuple[object, ...]] = Counter()
    for _ in range(400):
        at += rng.choice([0, 10, 60_000, 60_000, 900_000])
        made = decision(
            gateway=rng.choice(["sms-1", "sms-2"]), allowed=rng.random() < 0.5, shadow=rng.random() < 0.2,
            reason=rng.choice(["granted", "revoked_by_number"]),
        )  # fmt: skip
        log.add(at, made)
        answer = "allowed" if made.allowed else "would_deny" if made.shadow else "denied"
        expected[at // HOUR_MS * HOUR_MS, made.gateway, made.channel, made.purpose, answer, made.reason] += 1
        if rng.random() < 0.2:
            at += rng.choice([1, 90_000, 200_000])  # also past the end of the hour
            log.add(at, made)
        if rng.random() < 0.1:
            decisions.look(log, models, clock=lambda now=at: now)
    log.partitions[0].append(Logged(at, b"\0" * 16, b"no decision"))
    decisions.look(log, models, clock=lambda: at)
    assert rows_of(url, "decisions") == sorted(((*key, count) for key, count in expected.items()), key=repr)
    models.close()


def test_of_two_who_count_at_once_one_writes(url: str) -> None:
    log, one, other = DecisionLog(1), SqlReadModels(url), SqlReadModels(url)
    log.add(START, decision())

    class Meanwhile(DecisionLog):
        def scan(self, since: int = 0, until: int | None = None) -> Iterator[Logged]:
            decisions.look(log, other, clock=lambda: START + 2 * HOUR_MS)
            return log.scan(since, until)

    decisions.look(Meanwhile(1), one, clock=lambda: START + 1)
    [row] = rows_of(url, "decisions")
    assert row[-1] == 1
    log.add(START + 2 * HOUR_MS + 1, decision())
    decisions.look(log, one, clock=lambda: START + 3 * HOUR_MS)
    assert [row[-1] for row in rows_of(url, "decisions")] == [1, 1]
    one.close()
    other.close()


def test_a_look_that_is_asked_to_end_leaves_all_as_it_was(url: str) -> None:
    log, models = DecisionLog(1), SqlReadModels(url)
    log.add(START, decision())
    decisions.look(log, models, is_asked_to_end=lambda: True)
    assert rows_of(url, "decisions") == []
    models.close()


def test_what_a_look_meets_is_told_of_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aside, "WAIT_S", 0.05)
    looked: list[str] = []
    meets: list[Exception] = [UnavailableError("the broker is away"), ZeroDivisionError("a fault")]

    def often() -> bool:
        looked.append("often")
        return len(looked) < 3

    def seldom() -> None:
        looked.append("seldom")

    @contextmanager
    def opened(_is_asked_to_end: Callable[[], bool]) -> Iterator[Looks]:
        if meets:
            raise meets.pop(0)
        looks: dict[Look, float] = {often: 0.02, seldom: 60.0}
        yield looks

    with caplog.at_level(logging.WARNING), looking(opened):
        wait_until(lambda: looked.count("often") > 5, 30, "it is looked for again")
    told_of = [record.getMessage() for record in caplog.records]
    assert "the broker is away" in told_of[0]
    assert caplog.records[1].exc_info is not None
    assert looked.count("seldom") == 1
    ended = len(looked)
    time.sleep(0.1)
    assert len(looked) == ended
