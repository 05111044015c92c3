"""`kill -9` of the projector again and again, at moments that nobody chose: then every row is compared."""

import os
import signal
import time
from collections.abc import Callable
from random import Random

import pytest
import sqlalchemy as sa

from consumers.projector import loading
from consumers.projector.following import Projector
from consumers.projector.loading import load
from ledger.adapters.memory_log import MemoryLog
from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_model_versions import upgrade
from projections.adapters.sql_read_models import SqlReadModels
from tests.consumers.projector.rows import expected, stored
from tests.consumers.projector.turns import turns_of
from tests.forked import ending_here
from tests.histories import START, history
from tests.projections.logged import entry, logged

NOW = START + 500_000_000
KILLS = 25
Work = Callable[[MemoryLog, SqlReadModels, Callable[[int, object], None]], object]


def following_it(log: MemoryLog, models: SqlReadModels, tell: Callable[[int, object], None]) -> object:
    """As `projector run --once`."""
    return Projector(log, models, tell, clock=lambda: NOW).once()


def loading_it(log: MemoryLog, models: SqlReadModels, tell: Callable[[int, object], None]) -> object:
    """As `projector replay`."""
    return load(log, models, tell, clock=lambda: NOW)


def killed(work: Work, log: MemoryLog, url: str, turns: int, pause_s: float) -> bool:
    """Kills a process that works so long after so many turns; whether it was still at work."""
    heard, tells = os.pipe()
    child = os.fork()
    if child == 0:
        with ending_here():
            work(log, SqlReadModels(url), lambda _events, _lag: os.write(tells, b".") and None)
    os.close(tells)
    for _ in range(turns):
        os.read(heard, 1)  # also comes back when it has ended
    time.sleep(pause_s)
    os.kill(child, signal.SIGKILL)
    os.close(heard)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_after_many_kills_every_row_is_that_of_one_fold(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turns_of(9, monkeypatch)
    monkeypatch.setattr(loading, "LARGE", 9)
    rng = Random(11)
    facts = history(rng, events=900, partitions=3).facts
    log, told, kills = logged(facts[:200], 3), 200, 0
    while kills < KILLS:  # while all rows are made anew: it goes on where it was, and ends at times
        kills += killed(loading_it, log, url, rng.randint(0, 3), rng.random() / 50)
    while kills < 2 * KILLS and told < len(facts):
        for fact in facts[told : told + 10]:
            log.append([entry(fact, told)])
            told += 1
        kills += killed(following_it, log, url, rng.randint(0, 1), rng.random() / 50)
    models = SqlReadModels(url)
    following_it(log, models, lambda _events, _lag: None)
    assert stored(url) == expected(log, NOW)
    loading_it(log, models, lambda _events, _lag: None)
    models.close()
    assert stored(url) == expected(log, NOW)
    assert kills == 2 * KILLS


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
