"""The log in one SQLite file: one partition, offsets without gaps, append only by trigger.

Life of an append: it waits in the queue of its process (`group_commit`), then with a batch of others for the turn of
its process (`turnstile`); one transaction tells new from known (`sqlite_append`) and stores it; COMMIT returns when
the WAL is on the disk (synchronous FULL); only then is anybody answered. Killed before, the WAL has no commit mark
and the batch never was; killed after, it is there and the retry of whoever heard nothing finds a duplicate.
"""

import asyncio
import os
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from ledger.adapters.group_commit import Answer, GroupCommit, Take
from ledger.adapters.sqlite_append import Append, packed_id
from ledger.adapters.sqlite_file import Kind, SqliteFile
from ledger.adapters.sqlite_rows import packed
from ledger.adapters.sqlite_scan import scan
from ledger.durable import sync
from ledger.errors import NoRoomError, NotALedgerError, UnavailableError
from ledger.log import Entry, Misindexed, Outcome, Position, Recorded, Scanned

CHUNK = 2_000  # rows read in one moment
SUBJECT_CHUNK = 256
PATIENCE = 60.0
ALL = "SELECT offset, recorded_at, key, value FROM log WHERE offset >= ? AND offset < ? ORDER BY offset"
OF_SUBJECT = "SELECT offset FROM subject_index WHERE subject = ?"
ONE_OF = "SELECT offset, recorded_at, key, value FROM log WHERE offset IN ({}) ORDER BY offset"
BY_ID = """
SELECT offset, recorded_at, key, value FROM log WHERE offset = (SELECT offset FROM event_index WHERE event_id = ?)"""
END = "SELECT coalesce(max(offset) + 1, 0) FROM log"

LEDGER = Kind(
    name="a preference ledger",
    application_id=0x504C_4C31,
    version=1,
    settings=("PRAGMA cache_size = -65536", "PRAGMA wal_autocheckpoint = 8000", "PRAGMA journal_size_limit = 67108864"),
    schema=(
        "CREATE TABLE log (offset INTEGER PRIMARY KEY, recorded_at INTEGER NOT NULL, key TEXT NOT NULL, "
        "value BLOB NOT NULL)",
        # One index for both questions: all of a subject, and who holds a claim. 16-byte references, no rowid.
        "CREATE TABLE subject_index (subject NOT NULL, claim NOT NULL, offset INTEGER NOT NULL, content NOT NULL, "
        "held INTEGER NOT NULL, PRIMARY KEY (subject, claim, offset)) WITHOUT ROWID",
        # UUIDv7s come in the order of time: new ones go to the end, on the same page.
        "CREATE TABLE event_index (event_id NOT NULL PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID",
        # REPLACE deletes without the trigger for deletions, but it cannot pass this one.
        "CREATE TRIGGER log_only_at_its_end BEFORE INSERT ON log "
        "WHEN NEW.offset IS NOT (SELECT coalesce(max(offset) + 1, 0) FROM log) "
        "BEGIN SELECT RAISE(ABORT, 'the log takes entries at its end only'); END",
        "CREATE TRIGGER log_cannot_update BEFORE UPDATE ON log "
        "BEGIN SELECT RAISE(ABORT, 'the log cannot be changed'); END",
        "CREATE TRIGGER log_cannot_delete BEFORE DELETE ON log "
        "BEGIN SELECT RAISE(ABORT, 'nothing can be removed from the log'); END",
        "CREATE TRIGGER subject_index_cannot_update "
        "BEFORE UPDATE OF subject, claim, offset, content ON subject_index "
        "BEGIN SELECT RAISE(ABORT, 'the index of the log cannot be changed'); END",
        "CREATE TRIGGER subject_index_cannot_delete BEFORE DELETE ON subject_index "
        "BEGIN SELECT RAISE(ABORT, 'nothing can be removed from the index of the log'); END",
        "CREATE TRIGGER event_index_cannot_update BEFORE UPDATE ON event_index "
        "BEGIN SELECT RAISE(ABORT, 'the index of the log cannot be changed'); END",
        "CREATE TRIGGER event_index_cannot_delete BEFORE DELETE ON event_index "
        "BEGIN SELECT RAISE(ABORT, 'nothing can be removed from the index of the log'); END",
    ),
)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def moved_mark(path: Path) -> Path:
    """The file beside a log that was moved to another one, by whatever name it is opened; it says where that is."""
    return Path(f"{os.path.realpath(path)}.moved")


def refuse_moved(mark: Path) -> None:
    """Raises NotALedgerError where a log was moved, or is being moved."""
    if mark.exists():
        raise NotALedgerError(
            f"the ledger {mark.with_suffix('')} was moved, or is being moved, to {mark.read_text('utf-8').strip()}: "
            f"set PREFLEDGER_LEDGER_URL to that; if the move was given up, remove {mark}"
        )


class SqliteLog:
    """The port `ledger.log.Log` on a file, for any number of threads and processes of one machine."""

    partitions = 1

    def __init__(
        self, path: str | os.PathLike[str], clock: Callable[[], int] = now, patience: float = PATIENCE
    ) -> None:
        """Opens the file or makes it. `clock` in milliseconds; `patience`: seconds to wait for another writer.

        Raises NotALedgerError, UnavailableError, NoRoomError.
        """
        self._clock = clock
        self._moved = moved_mark(Path(path))
        self._file = SqliteFile(Path(path), LEDGER, patience)
        self._commits = GroupCommit(self._store, str(self._file.path))

    def append(self, entries: Sequence[Entry]) -> list[Outcome]:
        """See the port."""
        return self._commits.submit(entries).result()

    def submit(self, entries: Sequence[Entry]) -> "Future[list[Outcome]]":
        """See the port."""
        return self._commits.submit(entries)

    def append_async(self, entries: Sequence[Entry]) -> "asyncio.Future[list[Outcome]]":
        """See the port."""
        return self._commits.submit_async(entries)

    def _store(self, take: Take) -> list[Answer]:
        batch: list[Sequence[Entry]] = []
        try:
            with self._appending() as db:
                batch = take()
                return list(Append(db, self._clock()).store(batch))
        except Exception as error:
            if len(batch) < 2 or (isinstance(error, UnavailableError) and not isinstance(error, NoRoomError)):
                raise
        # One of them is at fault, or too large for the room that is left: the others must not suffer for it.
        return [self._store_one(entries) for entries in batch]

    def _store_one(self, entries: Sequence[Entry]) -> Answer:
        try:
            with self._appending() as db:
                return Append(db, self._clock()).store([entries])[0]
        except Exception as error:
            return error

    @contextmanager
    def _appending(self) -> Iterator[sqlite3.Connection]:
        """One transaction in its turn, as long as the log was not moved."""
        with self._file.writing() as db:
            refuse_moved(self._moved)
            yield db

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        """See the port. Each chunk is of one moment, and between chunks nothing is held."""
        if partition != 0 or start < 0:
            raise ValueError(f"a SQLite log has partition 0 and offsets from 0, not {partition} and {start}")
        last = self.ends()[0]
        return self._chunks(start, last if end is None else min(end, last))

    def _chunks(self, start: int, end: int) -> Iterator[Recorded]:
        # Two named tuples a row are most of the time spent here, and half of that is their own `__new__`.
        new = tuple.__new__
        while start < end:
            rows = self._file.rows(ALL, (start, min(start + CHUNK, end)))
            for offset, recorded_at, key, value in rows:
                yield new(Recorded, (new(Position, (0, offset)), recorded_at, key, value))
            start += CHUNK

    def scan(self, partition: int, end: int | None = None, start: int = 0) -> Iterator[Scanned]:
        """See the port."""
        if partition != 0:
            raise ValueError(f"a SQLite log has partition 0, not {partition}")
        return scan(self._file, end, start)

    def misindexed(self, partition: int, end: int) -> Iterator[Misindexed]:
        """See the port `Indexed`."""
        from ledger.adapters.sqlite_indexes import misindexed  # numpy, which few commands need

        assert partition == 0
        return misindexed(self._file, end)

    def read_subject(self, key: str) -> Iterator[Recorded]:
        """See the port. Holds eight bytes an entry of the subject."""
        offsets = array("q", sorted(offset for (offset,) in self._file.rows(OF_SUBJECT, (packed(key),))))
        return self._at(offsets)

    def _at(self, offsets: "array[int]") -> Iterator[Recorded]:
        new = tuple.__new__
        for start in range(0, len(offsets), SUBJECT_CHUNK):
            some = offsets[start : start + SUBJECT_CHUNK]
            rows = self._file.rows(ONE_OF.format(", ".join("?" * len(some))), some)
            for offset, recorded_at, key, value in rows:
                yield new(Recorded, (new(Position, (0, offset)), recorded_at, key, value))

    def find(self, event_id: str) -> Recorded | None:
        """See the port."""
        for offset, recorded_at, key, value in self._file.rows(BY_ID, (packed_id(event_id),)):
            return Recorded(Position(0, offset), recorded_at, key, value)
        return None

    def places(self, position: Position) -> Mapping[int, Position]:
        """See the port."""
        return {1: position}

    def ends(self) -> dict[int, int]:
        """See the port."""
        return {0: self._file.rows(END)[0][0]}

    def shut(self, moved_to: str) -> None:
        """From now on nothing is appended to it, by no process: it was moved to that URL. May be repeated."""
        with self._file.alone():  # whoever writes has written, and who comes next finds the mark
            self._moved.write_text(f"{moved_to}\n", "utf-8")
            sync(self._moved)
            sync(self._moved.parent)

    def backup_to(self, path: str | os.PathLike[str]) -> None:
        """Copies the log as of one moment to a new file, which is a ledger; nobody has to stop writing.

        Raises InputError if the file exists, UnavailableError or NoRoomError.
        """
        self._file.backup_to(Path(path))

    def close(self) -> None:
        """See the port."""
        self._commits.close()
        self._file.close()
