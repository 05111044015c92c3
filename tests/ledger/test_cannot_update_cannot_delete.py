"""Cannot update, cannot delete: tried with raw SQL on the real file, by somebody who knows how."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.people import Identity
from tests.contracts.log import entry


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Raw access to a ledger of three entries."""
    log = SqliteLog(tmp_path / "ledger.db")
    log.append([entry("operator:policy", value=b"%d" % number) for number in range(3)])
    log.close()
    db = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    yield db
    db.close()


def everything(db: sqlite3.Connection, *tables: str) -> list[list[tuple[object, ...]]]:
    return [db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables]


LOG_TABLES = ("log", "event_index", "subject_index")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET value = x'00'",
        "UPDATE log SET value = x'00' WHERE offset = 1",
        "UPDATE log SET recorded_at = recorded_at + 1 WHERE offset = 2",
        "UPDATE log SET offset = 7 WHERE offset = 2",
        "UPDATE OR REPLACE log SET offset = 0 WHERE offset = 2",
        "UPDATE log SET key = 'x'",
        "DELETE FROM log",
        "DELETE FROM log WHERE offset = 2",
        "DELETE FROM log WHERE offset = 0",
        "INSERT INTO log VALUES (1, 0, 'k', x'00')",
        "INSERT OR REPLACE INTO log VALUES (1, 0, 'k', x'00')",
        "REPLACE INTO log VALUES (2, 0, 'k', x'00')",
        "INSERT INTO log VALUES (1, 0, 'k', x'00') ON CONFLICT (offset) DO UPDATE SET value = excluded.value",
        "INSERT INTO log VALUES (4, 0, 'k', x'00')",
        "INSERT INTO log VALUES (-1, 0, 'k', x'00')",
        "INSERT INTO log (recorded_at, key, value) VALUES (0, 'k', x'00')",
        "INSERT INTO log SELECT offset + 4, recorded_at, key, value FROM log",
        "UPDATE event_index SET offset = 0",
        "DELETE FROM event_index WHERE offset = 1",
        "UPDATE subject_index SET content = x'00'",
        "UPDATE subject_index SET claim = x'00' WHERE offset = 1",
        "DELETE FROM subject_index",
    ],
)
def test_what_was_recorded_cannot_be_changed_removed_or_slipped_in(ledger: sqlite3.Connection, statement: str) -> None:
    before = everything(ledger, *LOG_TABLES)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.execute(statement)
    assert everything(ledger, *LOG_TABLES) == before


def test_an_insert_or_ignore_ignores_and_does_not_replace(ledger: sqlite3.Connection) -> None:
    before = everything(ledger, *LOG_TABLES)
    with pytest.raises(sqlite3.IntegrityError, match="at its end only"):
        ledger.execute("INSERT OR IGNORE INTO log VALUES (1, 0, 'k', x'00')")
    assert everything(ledger, *LOG_TABLES) == before


def test_the_end_of_the_log_is_open(ledger: sqlite3.Connection) -> None:
    # That the statements above fail is for where they write, not for who writes.
    ledger.execute("INSERT INTO log VALUES (3, 0, 'k', x'00')")
    assert ledger.execute("SELECT count(*) FROM log").fetchone() == (4,)


def test_the_marks_of_claims_are_all_that_may_change(ledger: sqlite3.Connection) -> None:
    ledger.execute("UPDATE subject_index SET held = 0")
    assert ledger.execute("SELECT DISTINCT held FROM subject_index").fetchall() == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE looks SET by = 'nobody'",
        "DELETE FROM looks",
        "REPLACE INTO looks VALUES (0, 1, 'r', 'nobody', 'w')",
        "INSERT INTO looks VALUES (5, 1, 'r', 'b', 'w')",
    ],
)
def test_who_looked_cannot_be_changed_or_removed(tmp_path: Path, statement: str) -> None:
    people = SqlitePeople(tmp_path / "people.db", bytes(32))
    people.keep([Identity("ab" * 16, "number", "+14165550123")])
    people.looked_at("ab" * 16, "agent:x", "reveal", 1_000)
    people.looked_at("ab" * 16, "agent:y", "reveal", 2_000)
    people.close()
    db = sqlite3.connect(tmp_path / "people.db", isolation_level=None)
    before = everything(db, "looks")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(statement)
    assert everything(db, "looks") == before
    db.close()
