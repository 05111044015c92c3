"""A file that is something else is refused in one clear sentence that names it, and stays as it is."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.errors import LedgerError, NotALedgerError, UnavailableError
from tests.contracts.log import entry

Open = Callable[[Path], object]
OPENERS: dict[str, Open] = {"log": SqliteLog, "people": lambda path: SqlitePeople(path, bytes(32))}


@pytest.fixture(params=OPENERS)
def opened(request: pytest.FixtureRequest) -> Open:
    return OPENERS[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some file.db"


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in os.listdir(folder) if (folder / name).is_file()}


def refused(opened: Open, path: Path, error: type[LedgerError] = NotALedgerError) -> str:
    """The sentence with which it is refused; nothing may have changed."""
    before = contents(path.parent) if path.parent.is_dir() else {}
    with pytest.raises(error) as caught:
        opened(path)
    assert (contents(path.parent) if path.parent.is_dir() else {}) == before
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert not re.search(r"\. [A-Z]|Traceback|Error\b", text)
    return text


@pytest.mark.parametrize(
    "content",
    [b"\0", b"hello", b"number,action\n+14165550123,revoke\n" * 500, os.urandom(100_000), b"SQLite format 3\0",
     b"SQLite format 3\0" + bytes(4_080), b"\0" * 8_192],
    ids=["one byte", "a word", "a csv", "garbage", "only the magic", "the magic and zeros", "zeros"],
)  # fmt: skip
def test_what_is_no_database_is_refused(opened: Open, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "not a" in refused(opened, path)


def test_an_empty_file_is_refused(opened: Open, path: Path) -> None:
    path.touch()
    assert "is empty" in refused(opened, path)


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_of_something_else_is_refused(opened: Open, path: Path, journal: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.execute("CREATE TABLE log (offset INTEGER PRIMARY KEY)")
        db.commit()
    assert "is something else" in refused(opened, path)


def test_a_database_that_another_program_is_writing_stays_as_it_is(opened: Open, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE log (offset INTEGER PRIMARY KEY)")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("INSERT INTO log VALUES (1)")
        assert "is something else" in refused(opened, path)
        db.execute("INSERT INTO log VALUES (2)")
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_log_is_no_store_of_identities_nor_the_other_way_round(path: Path) -> None:
    SqliteLog(path).close()
    assert "not a store of identities" in refused(OPENERS["people"], path)
    other = path.with_name("people.db")
    SqlitePeople(other, bytes(32)).close()
    assert "not a preference ledger" in refused(OPENERS["log"], other)


def test_a_ledger_of_a_newer_version_is_refused(opened: Open, path: Path) -> None:
    opened(path).close()  # type: ignore[attr-defined]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 2")
    assert "newer version" in refused(opened, path)


@pytest.mark.parametrize("keep", [0.0002, 0.01, 0.5, 0.99])
def test_a_ledger_that_was_cut_off_is_refused(path: Path, keep: float) -> None:
    with closing(SqliteLog(path)) as log:
        log.append([entry(value=bytes(500)) for _entry in range(500)])
    os.truncate(path, int(path.stat().st_size * keep))
    refused(SqliteLog, path)


def test_a_damaged_ledger_says_so_when_it_is_read(path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        log.append([entry(value=bytes(500)) for _entry in range(500)])
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(os.urandom(path.stat().st_size - 4_096))
    with closing(SqliteLog(path)) as log, pytest.raises(NotALedgerError, match="is damaged"):
        list(log.read(0))
    with closing(SqliteLog(path)) as log, pytest.raises(NotALedgerError, match="is damaged"):
        log.append([entry()])


def test_a_folder_is_refused(opened: Open, path: Path) -> None:
    path.mkdir()
    assert "is not a file" in refused(opened, path)


def test_a_pipe_is_refused_and_not_waited_for(opened: Open, path: Path) -> None:
    os.mkfifo(path)
    assert "is not a file" in refused(opened, path)


@pytest.fixture
def beside_a_wal(opened: Open, path: Path) -> Iterator[Path]:
    path.with_name(f"{path.name}-wal").write_bytes(os.urandom(4_152))
    yield path
    assert not path.exists()


def test_no_new_file_is_made_beside_the_wal_of_a_lost_one(opened: Open, beside_a_wal: Path) -> None:
    before = contents(beside_a_wal.parent)
    with pytest.raises(NotALedgerError, match="is missing but"):
        opened(beside_a_wal)
    after = contents(beside_a_wal.parent)
    assert {name: content for name, content in after.items() if not name.endswith((".turn", ".lock"))} == before


def test_a_ledger_whose_checkpoint_was_cut_short_is_a_ledger(path: Path) -> None:
    # Killed in the middle of a checkpoint: the first page says how long the file will be, the rest is in the WAL.
    log = SqliteLog(path)
    log.append([entry(value=bytes(500)) for _entry in range(500)])
    copy = path.with_name("copy.db")
    wal = path.with_name(f"{path.name}-wal").read_bytes()
    log.close()
    whole = path.read_bytes()
    copy.write_bytes(whole[: len(whole) // 2])
    copy.with_name("copy.db-wal").write_bytes(wal)
    with closing(SqliteLog(copy)) as again:
        assert again.ends() == {0: 500}
        assert sum(1 for _recorded in again.read(0)) == 500
    assert copy.read_bytes() == whole


def test_a_missing_folder_is_named(opened: Open, tmp_path: Path) -> None:
    assert "make it first" in refused(opened, tmp_path / "none" / "ledger.db", UnavailableError)


def test_a_file_is_no_folder(opened: Open, path: Path) -> None:
    path.write_text("a file")
    refused(opened, path / "ledger.db", UnavailableError)


def test_odd_characters_in_a_path_are_characters(opened: Open, tmp_path: Path) -> None:
    path = tmp_path / "50% of? #1 é; 'x'.db"
    opened(path).close()  # type: ignore[attr-defined]
    opened(path).close()  # type: ignore[attr-defined]
    assert path.is_file()
