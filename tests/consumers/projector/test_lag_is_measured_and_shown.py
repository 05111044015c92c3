"""How far the rows are behind, by a clock known to the millisecond: what `db status` and the projector say of it."""

import logging
from random import Random

import pytest

from consumers.bootstrap import read_models
from consumers.bootstrap.read_models import Teller
from consumers.projector.following import Lag, Projector
from consumers.projector.metrics import ProjectorMetrics
from ledger.adapters.memory_log import MemoryLog
from projections.adapters.sql_read_models import SqlReadModels
from tests.consumers.commands import Commands
from tests.consumers.projector.turns import turns_of
from tests.histories import START, history
from tests.projections.logged import entry
from tests.reference_model import Fact


class Clock:
    """What all clocks of the product read."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.ms = START
        patched.setattr("time.time_ns", lambda: self.ms * 1_000_000)


def facts(many: int) -> list[Fact]:
    """So many events."""
    return history(Random(2), events=many).facts[:many]


def test_the_status_says_how_many_events_wait_and_for_how_long_the_oldest_has(
    commands: Commands, empty_url: str
) -> None:
    clock = Clock(commands.environment)
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", empty_url)
    commands.json("revoke", "+14165550101", "--actor", "system:web")
    commands.json("db", "upgrade")
    before = commands.json("db", "status", code=1)
    assert (before["partitions"], before["ms_behind"]) == ({}, 0), "the clock stands still since it was recorded"
    clock.ms += 7
    assert commands.json("db", "status", code=1)["ms_behind"] == 7
    commands.json("projector", "run", "--once")
    clock.ms += 3_600_000
    caught_up = commands.json("db", "status")
    assert (caught_up["events_behind"], caught_up["ms_behind"]) == (0, 0), "an hour in which nothing came is no lag"
    commands.json("revoke", "+14165550102", "--actor", "system:web")
    clock.ms += 60_000
    commands.json("revoke", "+14165550103", "--actor", "system:web")
    clock.ms += 30_250
    found = commands.json("db", "status", code=1)
    assert (found["events_behind"], found["ms_behind"]) == (2, 90_250)
    assert "2 event(s) behind, the oldest for 90.2 s" in commands("db", "status").out
    commands.json("projector", "run", "--once")
    after = commands.json("db", "status")
    assert (after["events_behind"], after["ms_behind"]) == (0, 0)


def test_the_projectors_log_says_what_it_applied_how_late_and_what_is_left(
    models: SqlReadModels, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_models, "TELL_EVERY_S", 0.0)
    turns_of(2, monkeypatch)
    recorded_at = START
    log = MemoryLog(1, clock=lambda: recorded_at)
    for number, fact in enumerate(facts(4)):
        log.append([entry(fact, number)])
    recorded_at += 10_500
    log.append([entry(facts(5)[-1], 4)])
    with caplog.at_level(logging.INFO, "prefledger.projector"):
        Projector(log, models, Teller(), clock=lambda: START + 12_000).once()
    assert [record.getMessage() for record in caplog.records] == [
        "2 events applied, none later than 12.0 s; 3 event(s) behind, the oldest for 12.0 s",
        "2 events applied, none later than 12.0 s; 1 event(s) behind, the oldest for 12.0 s",
        "1 events applied, none later than 1.5 s; 0 event(s) behind",
    ]


def test_a_projector_tells_how_far_it_is_and_that_it_still_looks(
    models: SqlReadModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns_of(2, monkeypatch)
    log = MemoryLog(1, clock=lambda: START)
    log.append([entry(fact, number) for number, fact in enumerate(facts(3))])
    heard: list[tuple[int, Lag]] = []
    metrics = ProjectorMetrics(lambda events, lag: heard.append((events, lag)))
    projector = Projector(log, models, metrics, clock=lambda: START + 12_000)

    def told(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"prefledger_projector_{name}")

    projector._advance(log.ends())
    assert (told("events_applied_total"), told("lag_events"), told("lag_seconds")) == (2, 1, 12)
    projector._advance(log.ends())
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    projector._advance(log.ends())
    assert (told("events_applied_total"), told("turns_total"), told("lag_events"), told("lag_seconds")) == (3, 2, 0, 0)
    assert told("reached_timestamp_seconds") == 4_000_000_000
    assert heard == [(2, Lag(1, 12_000)), (1, Lag(0, 12_000)), (0, Lag(0, 0))]


def test_between_two_lines_the_log_adds_up_and_keeps_the_longest(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: seconds[0])
    tell = Teller()
    with caplog.at_level(logging.INFO, "prefledger.projector"):
        for second, events, lag_ms in ((1, 5_000, 300), (9, 4_000, 2_500), (10, 3_000, 100), (15, 7, 40), (21, 1, 20)):
            seconds[0] = float(second)
            tell(events, Lag(0, lag_ms))
    assert [record.getMessage() for record in caplog.records] == [
        "12000 events applied, none later than 2.5 s; 0 event(s) behind",
        "8 events applied, none later than 0.0 s; 0 event(s) behind",
    ]
