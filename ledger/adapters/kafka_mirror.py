"""A copy of the ledger topic in one SQLite file of this machine, for everything that asks by subject or by event.

It can be made again from the topic at any time: removing the file loses nothing. `entry.place` is partition and offset
in one number, so that each partition is one stretch of the table.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ledger.adapters.kafka_entry import Facts, Headers, facts_of, origins_of
from ledger.adapters.mirror_fold import Fold, Read
from ledger.adapters.sqlite_append import packed_id
from ledger.adapters.sqlite_file import Kind, SqliteFile
from ledger.adapters.sqlite_rows import packed, statements
from ledger.errors import NotALedgerError
from ledger.log import Position, Recorded

PATIENCE = 60.0
SHIFT = 48
MASK = (1 << SHIFT) - 1
CHUNK = 2_000  # rows read in one moment
SUBJECT_CHUNK = 256

MIRROR = Kind(
    name="a mirror of a ledger",
    application_id=0x504C_4D31,
    version=2,
    oldest=2,
    settings=(
        "PRAGMA synchronous = NORMAL",  # a power cut takes the last few commits, and they are read again
        "PRAGMA cache_size = -65536",
        "PRAGMA wal_autocheckpoint = 8000",
        "PRAGMA journal_size_limit = 67108864",
    ),
    schema=(
        "CREATE TABLE entry (place INTEGER PRIMARY KEY, recorded_at INTEGER NOT NULL, key TEXT NOT NULL, "
        "value BLOB NOT NULL)",
        "CREATE TABLE subject_index (subject NOT NULL, claim NOT NULL, place INTEGER NOT NULL, content NOT NULL, "
        "held INTEGER NOT NULL, PRIMARY KEY (subject, claim, place)) WITHOUT ROWID",
        "CREATE TABLE event_index (event_id NOT NULL PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE repetition (place INTEGER PRIMARY KEY, first INTEGER NOT NULL)",
        "CREATE TABLE correction (event_id NOT NULL PRIMARY KEY, corrects TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE origin (place INTEGER PRIMARY KEY, was TEXT NOT NULL)",
        "CREATE TABLE reached (partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL, recorded_at INTEGER NOT NULL)",
        "CREATE TABLE mirrored (topic TEXT NOT NULL, topic_id TEXT NOT NULL)",
    ),
)
ROWS = "SELECT place, recorded_at, key, value FROM entry WHERE "
BETWEEN = ROWS + "place >= ? AND place < ? ORDER BY place LIMIT ?"
AT = ROWS + "place IN (VALUES {rows}) ORDER BY place"
OF_SUBJECT = "SELECT place FROM subject_index WHERE subject = ?"
BY_ID = """
SELECT entry.place, recorded_at, key, value FROM entry WHERE place = (
SELECT coalesce(first, found.place) FROM event_index AS found LEFT JOIN repetition USING (place) WHERE event_id = ?)"""
FIRSTS = "SELECT place, first FROM repetition WHERE place IN (VALUES {rows})"
ORIGIN = "SELECT was FROM origin WHERE place = ?"
ADD_ORIGIN = "INSERT INTO origin VALUES (?, ?)"
REACHED = """
INSERT INTO reached VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET offset = excluded.offset, recorded_at = excluded.recorded_at"""


class Raw(NamedTuple):
    """A record as the topic has it; `timestamp` in milliseconds."""

    offset: int
    timestamp: int
    key: str
    value: bytes
    headers: Headers


class Fetched(NamedTuple):
    """What was read of a partition from offset `start` up to, not including, `end`."""

    partition: int
    start: int
    end: int
    records: list[Raw]


def place_of(position: Position) -> int:
    """A position in one number that grows with it."""
    return position.partition << SHIFT | position.offset


class KafkaMirror:
    """The file. For any number of threads and processes of one machine."""

    def __init__(self, path: Path, topic: str, topic_id: str, patience: float = PATIENCE) -> None:
        """Opens the file or makes it. Raises NotALedgerError if it mirrors another topic, UnavailableError."""

        def mark(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO mirrored VALUES (?, ?)", (topic, topic_id))

        self._file = SqliteFile(path, MIRROR, patience, mark)
        found = self._file.rows("SELECT topic, topic_id FROM mirrored")
        if found != [(topic, topic_id)]:
            self._file.close()
            raise NotALedgerError(
                f"{path} mirrors another ledger ({found[0][0] if found else '?'}), not the topic {topic} of this "
                "broker: set PREFLEDGER_HOME to a folder of its own, or remove the file, which can be made again"
            )

    def reached(self) -> dict[int, int]:
        """For each partition that was read the offset of the next record."""
        return dict(self._file.rows("SELECT partition, offset FROM reached"))

    def add(self, fetched: Iterable[Fetched]) -> None:
        """Adds what follows upon what is there; what is there already, and what leaves a gap, is passed over.

        Another process may have added the same meanwhile, or may have begun the file anew.
        """
        with self._file.writing() as db:
            reached = {partition: (end, at) for partition, end, at in db.execute("SELECT * FROM reached").fetchall()}
            new: list[Read] = []
            for part in fetched:
                end, at = reached.get(part.partition, (0, 0))
                if part.start <= end < part.end:
                    db.executemany(ADD_ORIGIN, _origins(part, end))
                    at = _read(part, end, at, new)
                    db.execute(REACHED, (part.partition, part.end, at))
            fold = Fold(db, ((read.key, read.facts) for read in new))
            for read in new:
                fold.add(read)
            fold.flush()

    @contextmanager
    def rehearsing(self, subjects: Iterable[tuple[str, Facts | None]]) -> Iterator[Fold]:
        """A fold upon what is there, of which nothing stays; `subjects` as `Fold` takes them."""
        with self._file.alone() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield Fold(db, subjects)
            finally:
                db.execute("ROLLBACK")

    def read(self, partition: int, start: int, end: int) -> Iterator[Recorded]:
        """The entries of a partition that are there, chunk by chunk; between chunks nothing is held."""
        place, last = partition << SHIFT | start, partition << SHIFT | end
        while True:
            rows = self._file.rows(BETWEEN, (place, last, CHUNK))
            yield from map(_recorded, rows)
            if len(rows) < CHUNK:
                return
            place = rows[-1][0] + 1

    def of_subject(self, key: str) -> Iterator[Recorded]:
        """The entries of one key that are there, in the order of the log."""
        places = array("q", sorted(place for (place,) in self._file.rows(OF_SUBJECT, (packed(key),))))
        for start in range(0, len(places), SUBJECT_CHUNK):
            yield from self._at(list(places[start : start + SUBJECT_CHUNK]))

    def find(self, event_id: str) -> Recorded | None:
        """The entry of an event id that is there; of a repetition, the first."""
        return next(map(_recorded, self._file.rows(BY_ID, (packed_id(event_id),))), None)

    def moved_from(self, position: Position) -> tuple[Position, ...]:
        """Where an entry that is there stood in the logs that it was moved from, the first one first."""
        rows = self._file.rows(ORIGIN, (place_of(position),))
        return tuple(Position(*map(int, said.split("/"))) for (was,) in rows for said in was.split())

    def at(self, places: Iterable[int]) -> dict[int, Recorded]:
        """The entries at places, as `place_of` says them."""
        return {place_of(recorded.position): recorded for recorded in self._at(sorted(set(places)))}

    def firsts(self, places: Sequence[int]) -> dict[int, int]:
        """Those of the places whose entry only repeats another, and where that one is."""
        return dict(self._rows(FIRSTS, list(places)))

    def _at(self, places: list[int]) -> Iterator[Recorded]:
        return map(_recorded, self._rows(AT, places))

    def _rows(self, template: str, values: list[int]) -> list[Any]:
        return [row for statement, part in statements(template, 1, values) for row in self._file.rows(statement, part)]

    def close(self) -> None:
        """Lets go of the file. Repeatable."""
        self._file.close()


def _read(part: Fetched, end: int, recorded_at: int, into: list[Read]) -> int:
    """Takes what is new of a partition; the broker's clock may step back, the time recorded never does."""
    for raw in part.records:
        if raw.offset >= end:
            recorded_at = max(recorded_at, raw.timestamp)
            place = part.partition << SHIFT | raw.offset
            into.append(Read(place, recorded_at, raw.key, raw.value, facts_of(raw.value, raw.headers)))
    return recorded_at


def _origins(part: Fetched, end: int) -> Iterator[tuple[int, str]]:
    """Place, and where it stood before, of each new entry of a partition that was moved."""
    for raw in part.records:
        if raw.offset >= end and raw.headers:
            with suppress(ValueError):  # a header that is damaged: `verify` says so
                was = " ".join(f"{partition}/{offset}" for partition, offset in origins_of(raw.headers))
                if was:
                    yield part.partition << SHIFT | raw.offset, was


def _recorded(row: tuple[int, int, str, bytes]) -> Recorded:
    place, recorded_at, key, value = row
    return Recorded(Position(place >> SHIFT, place & MASK), recorded_at, key, value)
