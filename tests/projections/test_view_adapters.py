"""Every store keeps the contract of `tests/contracts/view.py`; the one in a database also lasts, alone and shared."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from ledger.adapters.sqlite_log import SqliteLog
from ledger.errors import NotALedgerError, UnavailableError
from projections.adapters.memory_view import MemoryView
from projections.adapters.sql_view import SqlView
from projections.catch_up import catch_up
from projections.log_view import LogView
from projections.rebuilt import Rebuilt
from projections.view import Store
from tests.contracts.view import MANY_PARTS, SUBJECT, ViewContract, everything, statements, wrote
from tests.histories import history
from tests.projections.logged import entry
from tests.projections.worker import folded, started


class TestMemoryView(ViewContract):
    """In memory."""

    @pytest.fixture
    def store(self) -> MemoryView:
        """An empty one."""
        return MemoryView()


class TestSqlView(ViewContract):
    """In a SQLite file."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[SqlView]:
        """An empty one."""
        store = SqlView(url)
        yield store
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the states are."""
    return tmp_path / "projections.db"


@pytest.fixture
def url(path: Path) -> str:
    """The same, as SQLAlchemy names it."""
    return f"sqlite:///{path}"


@pytest.fixture
def opened(url: str) -> Iterator[Callable[[], SqlView]]:
    """Opens the database, as often as asked; closes it at the end."""
    stores: list[SqlView] = []

    def open_it() -> SqlView:
        stores.append(SqlView(url))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A log of 6,000 entries on disk, one subject of them with many."""
    path = tmp_path / "ledger.db"
    log = SqliteLog(path)
    facts = [fact for seed in range(50) for fact in history(Random(seed), events=100, byte_repeats=False).facts]
    facts += statements(SUBJECT, 1_000)
    Random(0).shuffle(facts)
    log.append([entry(fact, number) for number, fact in enumerate(facts)])
    log.close()
    return path


# --- what lasts


def test_what_was_written_is_there_when_the_database_is_opened_again(opened: Callable[[], SqlView]) -> None:
    store = opened()
    wrote(store, statements(SUBJECT, MANY_PARTS))
    before = everything(store)
    store.close()
    assert everything(opened()) == before


def test_who_reads_a_database_sees_what_another_writes_to_it(opened: Callable[[], SqlView]) -> None:
    reader, writer = opened(), opened()
    wrote(writer, statements(SUBJECT, 3))
    assert everything(reader) == everything(writer)
    reading = reader.all_parts()
    wrote(writer, statements(SUBJECT, 1, start=3))
    assert len(list(reading)) == 1


# --- killed, and shared


def test_killed_at_any_moment_it_holds_what_its_watermark_says_and_goes_on_from_there(
    ledger: Path, url: str, opened: Callable[[], SqlView]
) -> None:
    log, reached = SqliteLog(ledger), list[int]()
    for dots in (1, 3, 9, 14):
        process = started(ledger, url, 60)
        assert process.stdout is not None
        assert process.stdout.read(dots) == b"." * dots
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        store = opened()
        reached.append(dict(store.watermark())[0])
        _holds_what_its_watermark_says(store, log)
    assert reached == sorted(set(reached))
    assert reached[-1] < log.ends()[0]
    assert catch_up(log, store) == log.ends()[0] - reached[-1]
    assert list(store.all_parts()) == list(Rebuilt(log).all_parts())
    log.close()


def _holds_what_its_watermark_says(store: Store, log: SqliteLog) -> None:
    expected = LogView(log, store.watermark())
    subjects = {recorded.key for recorded in log.read(0)}
    assert all(list(store.parts(subject)) == list(expected.parts(subject)) for subject in subjects)


def test_processes_that_catch_up_at_once_fold_every_event_once(
    ledger: Path, url: str, opened: Callable[[], SqlView]
) -> None:
    log = SqliteLog(ledger)
    processes = [started(ledger, url, 150) for _process in range(3)]
    assert sum(folded(process) for process in processes) == log.ends()[0] == 6_000
    store = opened()
    assert list(store.all_parts()) == list(Rebuilt(log).all_parts())
    assert store.watermark() == log.ends()
    log.close()


# --- not a database of ours


def test_a_file_that_is_something_else_is_said_to_be_and_not_touched(path: Path, url: str) -> None:
    path.write_text("a shopping list, and a long one\n" * 100)
    with pytest.raises(NotALedgerError, match="holds no projections; remove it"):
        SqlView(url)
    assert path.read_text() == "a shopping list, and a long one\n" * 100


def test_a_database_of_something_else_is_said_to_be(path: Path, url: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE states (name TEXT, capital TEXT)")
        connection.execute("INSERT INTO states VALUES ('Iowa', 'Des Moines')")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NotALedgerError, match="holds no projections"):
        SqlView(url)
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", [b"", b"not json", b"[]", b"{}", b'{"entries": 3}'])
def test_a_state_that_was_tampered_with_is_said_to_be(path: Path, opened: Callable[[], SqlView], value: bytes) -> None:
    store = opened()
    wrote(store, statements(SUBJECT, 3))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE states SET value = ?", (value,))
    connection.close()
    for ask in (lambda: store.parts(SUBJECT), lambda: store.parts_of_many([SUBJECT])):
        with pytest.raises(NotALedgerError, match="remove it, and it is folded anew"):
            ask()


def test_a_state_that_lost_a_part_is_said_to_be_damaged(path: Path, opened: Callable[[], SqlView]) -> None:
    store = opened()
    wrote(store, statements(SUBJECT, MANY_PARTS))
    for lost, asks in (("#12", (store.parts, lambda one: store.parts_of_many([one]))), ("#3", (store.parts,))):
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM states WHERE key = ?", (SUBJECT + lost,))
        connection.close()
        for ask in asks:
            with pytest.raises(NotALedgerError, match="remove it, and it is folded anew"):
                ask(SUBJECT)


def test_a_database_with_a_hole_in_it_is_said_to_be_damaged(path: Path, url: str) -> None:
    store = SqlView(url)
    wrote(store, statements(SUBJECT, 5_000))
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4_096] + bytes(len(whole) - 4_096))
    with pytest.raises(NotALedgerError, match="remove it, and it is folded anew"):
        everything(SqlView(url))


def test_where_no_file_can_be_the_caller_is_told_to_repeat(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be used"):
        SqlView(f"sqlite:///{tmp_path}/missing/projections.db")
    with pytest.raises(UnavailableError, match="cannot be used"):
        SqlView(f"sqlite:///{tmp_path}")
