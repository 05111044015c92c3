"""The decision log of one machine: a SQLite file of its own, so that no send waits for an opt-out or the other way."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

from ledger.adapters.sqlite_file import Kind, SqliteFile
from ledger.decisions import Stored
from schemas.distributed import LoggedDecision

PATIENCE = 60.0
PAGE = 10_000  # rows read in one moment: an open statement would keep the WAL from being reset

DECISIONS = Kind(
    name="a decision log",
    application_id=0x504C_4431,
    version=1,
    settings=("PRAGMA cache_size = -65536", "PRAGMA wal_autocheckpoint = 8000"),
    schema=(
        "CREATE TABLE decisions (number INTEGER PRIMARY KEY, decision_id BLOB NOT NULL UNIQUE, subject BLOB NOT NULL, "
        "logged_at INTEGER NOT NULL, value BLOB NOT NULL)",
        "CREATE INDEX decisions_by_subject ON decisions (subject)",
        "CREATE TRIGGER decisions_cannot_update BEFORE UPDATE ON decisions "
        "BEGIN SELECT RAISE(ABORT, 'what was decided cannot be changed'); END",
    ),
)
ADD = "INSERT OR IGNORE INTO decisions (decision_id, subject, logged_at, value) VALUES (?, ?, ?, ?)"
LAST = "SELECT logged_at FROM decisions ORDER BY number DESC LIMIT 1"
FIND = "SELECT logged_at, subject, value FROM decisions WHERE decision_id = ?"
OF_SUBJECT = (
    "SELECT number, logged_at, subject, value FROM decisions WHERE subject = ? AND number > ? ORDER BY number LIMIT ?"
)
NEXT = (
    "SELECT number, logged_at, subject, value FROM decisions WHERE number > ? AND number <= ? ORDER BY number LIMIT ?"
)
RANGE = "SELECT coalesce(min(number), 1), coalesce(max(number), 0) FROM decisions"
TIME_AT = "SELECT logged_at FROM decisions WHERE number >= ? ORDER BY number LIMIT 1"


new = tuple.__new__  # of a named tuple: a third of the time of its own constructor


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class SqliteDecisions:
    """The port `ledger.decisions.Decisions` on a file; several processes may have it open."""

    def __init__(self, path: str | os.PathLike[str], clock: Callable[[], int] = now) -> None:
        """Opens the file or makes it. Raises NotALedgerError, UnavailableError, NoRoomError."""
        self._file = SqliteFile(Path(path), DECISIONS, PATIENCE)
        self._clock = clock

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """See the port; all of them in one step. One that is there already stays as it is."""
        said = [
            (UUID(one.decision_id).bytes, bytes.fromhex(one.subject), one.model_dump_json().encode())
            for one in decisions
        ]
        with self._file.writing() as db:
            last = db.execute(LAST).fetchone()
            at = max(self._clock(), last[0] if last else 0)  # never backwards, so that a time is found by halving
            db.executemany(ADD, [(id_, subject, at, value) for id_, subject, value in said])

    def find(self, decision_id: str) -> Stored | None:
        """See the port."""
        found = self._file.rows(FIND, (UUID(decision_id).bytes,))
        return Stored(*found[0]) if found else None

    def of_subject(self, ref: str) -> Iterator[Stored]:
        """See the port."""
        number = 0
        while rows := self._file.rows(OF_SUBJECT, (bytes.fromhex(ref), number, PAGE)):
            yield from (Stored(*row[1:]) for row in rows)
            number = rows[-1][0]

    def scan(self, since: int = 0, until: int | None = None) -> Iterator[Stored]:
        """See the port."""
        [(first, end)] = self._file.rows(RANGE)
        last = end if until is None else self._first_from(until, first, end) - 1
        number = self._first_from(since, first, end) - 1
        while rows := self._file.rows(NEXT, (number, last, PAGE)):
            yield from (new(Stored, row[1:]) for row in rows)
            number = rows[-1][0]

    def _first_from(self, at: int, low: int, end: int) -> int:
        """The number of the first decision that was logged at a time or later; past the end where there is none."""
        high = end + 1
        while low < high:
            middle = (low + high) // 2
            [(found,)] = self._file.rows(TIME_AT, (middle,))
            low, high = (low, middle) if found >= at else (middle + 1, high)
        return low

    def backup_to(self, path: Path) -> None:
        """Writes a consistent copy of it to a new file."""
        self._file.backup_to(path)

    def close(self) -> None:
        """See the port."""
        self._file.close()
