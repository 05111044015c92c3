"""`kill -9` of the projector again and again, at moments that nobody chose: then every row is compared."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from random import Random
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from consumers.projector import loading
from consumers.projector.following import Projector
from consumers.projector.loading import load
from ledger.adapters.memory_log import MemoryLog
from projections.adapters.read_model_engine import engine_of, file_of
from projections.adapters.read_model_replacing import place_beside
from projections.adapters.read_model_versions import upgrade
from projections.adapters.sql_read_models import SqlReadModels
from projections.read_models import OtherVersionError
from tests.consumers.projector.rows import expected, stored
from tests.consumers.projector.turns import turns_of
from tests.forked import ending_here
from tests.histories import START, history
from tests.projections.logged import entry, logged

NOW = START + 500_000_000
EVENTS, TURN = 240, 3
KILLS_OF_A_LOAD, OF_THEM_LATE, KILLS_WHILE_FOLLOWING = 50, 12, 10
LOOKED = b"l"
Tell = Callable[[bytes], None]
Work = Callable[[MemoryLog, SqlReadModels, Tell], object]


def following_it(log: MemoryLog, models: SqlReadModels, tell: Tell) -> object:
    """As `projector run --once`."""
    return Projector(log, models, lambda _events, _lag: tell(b"."), clock=lambda: NOW).once()


def loading_it(log: MemoryLog, models: SqlReadModels, tell: Tell) -> object:
    """As `projector replay`; it also tells before the rows are put in place, and in the middle of that."""
    return load(log, models, lambda _events, _lag: tell(b"."), clock=lambda: NOW, look=lambda _models: tell(LOOKED))


def quiet(_step: bytes) -> None:
    """Tells nobody."""


class Killed(NamedTuple):
    """What became of a process: whether the signal found it at work, and whether in the middle of a step."""

    at_work: bool
    in_a_step: bool


def told_and_heard(tells: int, waits: int, step: bytes) -> None:
    """Tells of a step, and goes on once that was heard."""
    os.write(tells, step)
    os.read(waits, 1)


def killed(work: Work, log: MemoryLog, url: str, is_enough: Callable[[bytes], bool], pause_s: float) -> Killed:
    """Kills a process so long after it has told enough. It does no step before it was heard of the one before, so that
    it is where it is meant to be, however slow the machine."""
    (heard, tells), (waits, goes_on) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with ending_here():
            work(log, SqlReadModels(url), partial(told_and_heard, tells, waits))
    os.close(tells)
    steps = b""
    while not is_enough(steps) and (step := os.read(heard, 1)):  # nothing comes once it has ended
        steps += step
        os.write(goes_on, b".")
    time.sleep(pause_s)
    os.kill(child, signal.SIGKILL)
    told = os.read(heard, 1)
    for end in (heard, waits, goes_on):
        os.close(end)
    at_work = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    return Killed(at_work, at_work and not told)


def reached(url: str) -> int:
    """How many events are in the rows that a load has begun."""
    there, schema = place_beside(url)
    path = file_of(there)
    if path is not None and not path.exists():
        return 0
    with closing(SqlReadModels(there, schema)) as models, suppress(OtherVersionError):
        return sum(place.offset for place in models.positions().values())
    return 0


def test_after_fifty_kills_spread_over_a_load_every_row_is_that_of_one_fold(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "LARGE", TURN)
    rng, kills, places = Random(11), list[Killed](), list[int]()
    log = logged(history(rng, events=EVENTS, partitions=3).facts, 3)
    early = KILLS_OF_A_LOAD - OF_THEM_LATE
    for goal in (EVENTS * number // early for number in range(early)):
        turns = max(0, goal - reached(url)) // TURN
        kills.append(killed(loading_it, log, url, lambda told, turns=turns: len(told) >= turns, rng.random() / 50))
        places.append(reached(url))
    while sum(one.at_work for one in kills) < KILLS_OF_A_LOAD:  # all is folded: rows are made, then put in place
        looks = min(2, (len(kills) - early) // 5)
        kills.append(
            killed(loading_it, log, url, lambda told, looks=looks: told.count(LOOKED) >= looks, rng.random() / 20)
        )
    assert {10 * place // EVENTS for place in places} >= set(range(10)), "no tenth of the load was without a kill"
    assert len(set(places)) > early / 2
    assert sum(one.in_a_step for one in kills) > KILLS_OF_A_LOAD / 4, "and not only between two transactions"
    with closing(SqlReadModels(url)) as models:
        loading_it(log, models, quiet)
    assert stored(url) == expected(log, NOW)


def test_after_kills_while_it_follows_every_row_is_that_of_one_fold(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_of(TURN, monkeypatch)
    rng, kills, told = Random(12), 0, 60
    facts = history(rng, events=400, partitions=3).facts
    log = logged(facts[:told], 3)
    while kills < KILLS_WHILE_FOLLOWING and told < len(facts):
        for fact in facts[told : told + 10]:
            log.append([entry(fact, told)])
            told += 1
        turns = rng.randint(0, 2)
        kills += killed(
            following_it, log, url, lambda heard, turns=turns: len(heard) >= turns, rng.random() / 50
        ).at_work
    assert kills == KILLS_WHILE_FOLLOWING
    with closing(SqlReadModels(url)) as models:
        following_it(log, models, quiet)
        assert stored(url) == expected(log, NOW)
        loading_it(log, models, quiet)
    assert stored(url) == expected(log, NOW)


NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"

def upgrade() -> None:
    op.add_column("senders", sa.Column("note", sa.Text))
    op.execute("UPDATE senders SET note = sender")
    {then}
"""


def test_an_upgrade_that_is_interrupted_leaves_the_old_tables_and_goes_through_the_next_time(
    url: str, tmp_path: os.PathLike[str]
) -> None:
    log = logged(history(Random(4), events=60).facts)
    models = SqlReadModels(url)
    Projector(log, models, clock=lambda: NOW).once()
    with models.turn() as turn:
        turn.add("senders", [("short-code", "verified", "acme", True, 1, 2, None)])
    models.close()
    before, folder, head = stored(url), os.fspath(tmp_path), upgrade(url).after
    revision = os.path.join(folder, "r9999_next.py")
    for then in ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "pass"):
        with open(revision, "w", encoding="utf-8") as file:
            file.write(NEXT.format(head=head, then=then))
        child = os.fork()
        if child == 0:
            with ending_here():
                upgrade(url, versions=folder)
        os.waitpid(child, 0)
        assert stored(url) == before
    engine = engine_of(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT sender, note FROM senders")).all()
        assert ("short-code", "short-code") in {tuple(row) for row in rows}
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == "9999"
    engine.dispose()


def test_tables_of_the_first_release_with_rows_in_them_come_to_what_a_fold_makes(url: str) -> None:
    log = logged(history(Random(5), events=120).facts)
    models = SqlReadModels(url)
    Projector(log, models, clock=lambda: NOW).once()
    engine = engine_of(url)
    with engine.execution_options(writes=True).begin() as connection:
        for later in ("account_groups", "coming_changes", "history_by_day"):
            connection.execute(sa.text(f"DROP TABLE {later}"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    assert upgrade(url).before == "0001"
    Projector(log, models, clock=lambda: NOW).once()
    models.close()
    found, wanted = stored(url), expected(log, NOW)
    assert wanted["account_groups"]
    assert wanted["history_by_day"]
    assert found == wanted
