"""A projector whose database is away, ends a turn half way, has no connection left or is locked waits, and goes on."""

import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from consumers.bootstrap.ledger_log import open_ledger_log
from consumers.projector.following import Projector
from consumers.settings import Settings
from projections.adapters import sqlite_engine
from projections.adapters.read_model_versions import upgrade
from projections.adapters.sql_read_models import SqlReadModels
from stack.processes import Process, wait_until
from tests.consumers.commands import Commands
from tests.consumers.projector.rows import expected, stored
from tests.consumers.projector.test_a_database_that_is_away_is_waited_for import reached
from tests.consumers.projector.turns import turns_of
from tests.databases import Stoppable, new_database, stoppable_server
from tests.histories import START, history
from tests.projections.logged import entry, logged
from tests.room import no_file_larger_than

NOW = START + 500_000_000
PATIENCE_S = 90.0
HARDLY_ANY = 1 << 14
"""Bytes: fewer than the log of any turn takes."""
FACTS = history(Random(8), events=90, partitions=3).facts


class Followed:
    """A ledger that grows, and read models that a projector in a thread keeps up with it."""

    def __init__(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        self.log, self.models, self._caplog = logged(FACTS[:30], 3), SqlReadModels(url), caplog

    def grows(self) -> None:
        """Thirty events come; what was said before them is forgotten."""
        self._caplog.clear()
        start = sum(self.log.ends().values())
        for place, fact in enumerate(FACTS[start : start + 30], start):
            self.log.append([entry(fact, place)])

    def is_up(self) -> None:
        """Waits until the rows have all that the ledger has."""
        end = sum(self.log.ends().values())
        wait_until(lambda: reached(self.models) == end, PATIENCE_S, f"the rows have all {end} events")

    def says(self, words: str) -> None:
        """Waits until the projector has said something."""
        wait_until(
            lambda: any(words in record.getMessage() for record in list(self._caplog.records)),
            PATIENCE_S, f"it says {words!r}",
        )  # fmt: skip


@contextmanager
def followed(url: str, caplog: pytest.LogCaptureFixture) -> Iterator[Followed]:
    """As long as this lasts; at its end every row is compared with a fold."""
    caplog.set_level(logging.WARNING)
    one, asked = Followed(url, caplog), Event()
    thread = Thread(target=Projector(one.log, one.models, clock=lambda: NOW).follow, args=(asked,))
    thread.start()
    try:
        yield one
        one.is_up()
    finally:
        asked.set()
        thread.join()
        one.models.close()
    assert stored(url) == expected(one.log, NOW)


def administrator(url: str) -> "psycopg.Connection[Any]":
    """A connection to the same database that does each statement at once."""
    return psycopg.connect(sa.make_url(url).set(drivername="postgresql").render_as_string(False), autocommit=True)


@pytest.fixture
def stoppable(tmp_path: Path) -> Iterator[Stoppable]:
    """A server of this test's own."""
    with stoppable_server(tmp_path / "data") as server:
        yield server


def test_a_projector_that_starts_before_its_server_fills_the_tables_once_it_is_there(
    commands: Commands, stoppable: Stoppable, tmp_path: Path
) -> None:
    url = new_database(stoppable.address)
    upgrade(url)
    stoppable.stop()
    commands.json("revoke", "+14165550101", "--actor", "system:web")
    commands.lines("link", "FAMILY", "+14165550101", "+14165550102")
    command = [sys.executable, "-m", "consumers.cli.main", "projector", "run"]
    environment = {"PREFLEDGER_DATABASE_URL": url, "PYTHONPATH": str(Path(__file__).parents[3])}
    with Process("projector", command, tmp_path / "projector.log", environment) as process:
        process.wait_until(lambda: process.said().count("trying again") > 1, PATIENCE_S, "it says that it waits")
        assert "cannot be reached" in process.said()
        stoppable.start()
        models = SqlReadModels(url)
        with open_ledger_log(Settings(home=commands.home)) as ledger:
            end = sum(ledger.ends().values())
            process.wait_until(lambda: reached(models) == end > 3, PATIENCE_S, "the rows are there")
            assert process.stop() == 0
            models.close()
            assert stored(url) == expected(ledger, max(row[8] for row in stored(url)["events"]) + 1)


def server_stops(server: Stoppable, _url: str, _process: int) -> None:
    """All of it at once."""
    server.stop()
    server.start()


def backend_ends(_server: Stoppable, url: str, process: int) -> None:
    """Only the one that the turn goes on in."""
    with administrator(url) as connection:
        assert connection.execute("SELECT pg_terminate_backend(%s)", [process]).fetchone() == (True,)


WRITING = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'prefledger' AND wait_event_type = 'Lock' AND backend_xid IS NOT NULL
"""


@pytest.mark.parametrize("ends", [server_stops, backend_ends])
def test_a_turn_that_is_cut_off_in_the_middle_leaves_nothing_and_is_done_again(
    stoppable: Stoppable, caplog: pytest.LogCaptureFixture, ends: Callable[[Stoppable, str, int], None]
) -> None:
    url = new_database(stoppable.address)
    upgrade(url)
    with followed(url, caplog) as one:
        one.is_up()
        for _ in range(2):
            with administrator(url) as holder, suppress(psycopg.OperationalError), holder.transaction():
                holder.execute("LOCK TABLE read_models.accounts")  # a turn comes to it last, all else is written
                one.grows()
                with administrator(url) as asking:
                    wait_until(lambda: asking.execute(WRITING).rowcount == 1, PATIENCE_S, "a turn is in the middle")
                    [process] = asking.execute(WRITING).fetchone() or [0]
                before = reached(one.models)
                ends(stoppable, url, process)
                one.says("cannot be reached or written")
            assert before < sum(one.log.ends().values())
            one.is_up()


def test_where_no_connection_is_left_it_waits_for_one(
    server: str, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with administrator(postgres_url) as connection:
        connection.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
        connection.execute("GRANT ALL ON SCHEMA read_models TO crowded")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA read_models TO crowded")
        crowded = sa.make_url(postgres_url).set(username="crowded").render_as_string(False)
        try:
            with followed(crowded, caplog) as one:
                one.says("it has no connection left")
                connection.execute("ALTER ROLE crowded CONNECTION LIMIT -1")
                one.is_up()
                connection.execute("ALTER ROLE crowded CONNECTION LIMIT 0")
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'crowded'")
                one.grows()
                one.says("it has no connection left")
                connection.execute("ALTER ROLE crowded CONNECTION LIMIT -1")
        finally:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'crowded'")
            connection.execute("DROP OWNED BY crowded")
            connection.execute("DROP ROLE crowded")


HOLDS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN EXCLUSIVE")
connection.execute("DELETE FROM events")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@contextmanager
def held(path: Path, is_killed: bool) -> Iterator[None]:
    """Another process writes in the file, and does not end until the block does; then it takes all of it back."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield
        if is_killed:
            holder.send_signal(signal.SIGKILL)


def test_a_file_in_which_another_writes_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_engine, "PATIENCE_S", 0.2)
    turns_of(9, monkeypatch)
    path = tmp_path / "read_models.db"
    upgrade(f"sqlite:///{path}")
    with followed(f"sqlite:///{path}", caplog) as one:
        one.is_up()
        for is_killed in (False, True):
            with held(path, is_killed):
                before = reached(one.models)
                one.grows()
                one.says("database is locked")
                assert reached(one.models) == before > 0, "whoever reads is not kept waiting"
            one.is_up()


def test_a_file_for_which_there_is_no_room_is_gone_on_with_once_there_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns_of(9, monkeypatch)
    path = tmp_path / "read_models.db"
    upgrade(f"sqlite:///{path}")
    with followed(f"sqlite:///{path}", caplog) as one:
        one.is_up()
        for _ in range(2):
            before = reached(one.models)
            with no_file_larger_than(HARDLY_ANY):
                one.grows()
                one.says("there is no room to write")
                assert reached(one.models) == before > 0
            one.is_up()
