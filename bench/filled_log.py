"""Fills a new SQLite log by its rows, for what reads a large one: the same file as after so many appends.

The log itself appends ten million events in an hour, nearly all of it for the two indexes, whose pages it meets in no
order. Here the indexes are made at the end, each in its own order.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from ledger.adapters.sqlite_append import packed_id
from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_rows import packed
from ledger.log import Entry

AT_ONCE = 10_000
INDEXES = {
    "subject_index": "SELECT subject, claim, offset, content, 1 FROM made ORDER BY subject, claim",
    "event_index": "SELECT event_id, offset FROM made ORDER BY event_id",
}


def fill(path: Path, entries: Iterable[Entry]) -> None:
    """Makes the log at `path`, which must not be there yet, with these entries; no claim among them may come twice."""
    SqliteLog(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        schema = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'log'"))
        for name, made in schema.items():
            db.execute(f"DROP {'TABLE' if made.startswith('CREATE TABLE') else 'TRIGGER IF EXISTS'} {name}")
        db.execute("CREATE TEMP TABLE made (offset, subject, claim, content, event_id)")
        _add(db, iter(entries))
        for name, made in schema.items():
            db.execute(made)
            if name in INDEXES:
                db.execute(f"INSERT INTO {name} {INDEXES[name]}")
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _add(db: sqlite3.Connection, entries: Iterator[Entry]) -> None:
    now, end = time.time_ns() // 1_000_000, 0
    while some := list(islice(entries, AT_ONCE)):
        db.executemany(
            "INSERT INTO log VALUES (?, ?, ?, ?)",
            [(offset, now, one.key, one.value) for offset, one in enumerate(some, end)],
        )
        db.executemany(
            "INSERT INTO made VALUES (?, ?, ?, ?, ?)",
            [
                (offset, packed(one.key), packed(one.claim), packed(one.content), packed_id(one.event_id))
                for offset, one in enumerate(some, end)
            ],
        )
        end += len(some)
