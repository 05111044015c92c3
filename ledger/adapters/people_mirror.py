"""The copy of the erasable topics on one machine: the store of `sqlite_people`, and how far the topics were read."""

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ledger.adapters.sqlite_people import LOOK, OVERWRITE, SqlitePeople
from ledger.adapters.sqlite_rows import packed, statements, unpacked
from ledger.errors import NotALedgerError

MADE = (
    "CREATE TABLE IF NOT EXISTS reached "
    "(topic TEXT, partition INTEGER, offset INTEGER, PRIMARY KEY (topic, partition))",
    # When it was last as the topics were, in milliseconds: one row.
    "CREATE TABLE IF NOT EXISTS was_read (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL)",
)
WAS_READ = "INSERT INTO was_read VALUES (1, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)"
LAST_READ = "SELECT at FROM was_read WHERE EXISTS (SELECT 1 FROM reached)"
NOTED_EVERY = 600_000
"""Milliseconds: how exactly it is known when a mirror was last read."""
START_OVER = (
    "UPDATE vault SET sealed = zeroblob(length(sealed))",
    "DELETE FROM identity",
    "DELETE FROM evidence",
    "DELETE FROM erased",
    "DELETE FROM reached",
)
REACHED = """
INSERT INTO reached VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET offset = max(offset, excluded.offset)"""
LOOKED = "SELECT 1 FROM looks WHERE at = ? AND ref = ? AND by = ? AND what = ?"
ERASED = "SELECT ref FROM erased WHERE ref IN (VALUES {rows})"
KNOWN = "SELECT ref FROM identity WHERE ref IN (VALUES {rows})"
SLOT_OF = "SELECT slot FROM evidence WHERE ref = ? AND event_id = ?"
WORDS_OF = "SELECT event_id FROM evidence WHERE ref = ?"


class Look(NamedTuple):
    """Who looked at what of whom, in milliseconds."""

    at: int
    ref: str
    by: str
    what: str


class PeopleMirror(SqlitePeople):
    """The store, with positions in topics (each named by its id, so that another ledger's are never taken for ours)."""

    def __init__(self, path: str | os.PathLike[str], key: bytes, topics: Sequence[str]) -> None:
        """`topics`: ids of the topics that are mirrored. Raises NotALedgerError if the file mirrors others,
        WrongSecretError, UnavailableError."""
        super().__init__(path, key)
        with self._file.alone() as db:
            db.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is read again
        self._noted_at = 0
        with self._file.writing() as db:
            for statement in MADE:
                db.execute(statement)
            db.execute("INSERT OR IGNORE INTO was_read VALUES (1, ?)", (self._clock(),))  # it holds nothing yet
            found = {topic for (topic,) in db.execute("SELECT DISTINCT topic FROM reached").fetchall()}
        if not found <= set(topics):
            self.close()
            raise NotALedgerError(
                f"{path} mirrors the people of another ledger: set PREFLEDGER_HOME to a folder of its own, or remove "
                "the file, which can be made again"
            )

    def reached(self, topic: str) -> dict[int, int]:
        """For each partition of a topic that was read the offset of the next record."""
        return dict(self._file.rows("SELECT partition, offset FROM reached WHERE topic = ?", (topic,)))

    def reach(self, topic: str, ends: Mapping[int, int], looks: Iterable[Look] = ()) -> None:
        """Notes how far a topic was read, and, in the same step, who looked: that must not be said twice."""
        with self._file.writing() as db:
            for look in looks:
                _add(db, look)
            for partition, end in ends.items():
                db.execute(REACHED, (topic, partition, end))

    def was_read(self) -> None:
        """Notes that it is now as the topics are, if that was not noted just before."""
        now = self._clock()
        if now - self._noted_at >= NOTED_EVERY:
            with self._file.writing() as db:
                db.execute(WAS_READ, (now,))
            self._noted_at = now

    def was_away(self, seconds: float) -> bool:
        """Whether it holds something and was not read for so long."""
        return any(self._clock() - at > seconds * 1_000 for (at,) in self._file.rows(LAST_READ))

    def start_over(self) -> None:
        """Erases all that is here, but for who looked, so that the topics are read from their beginning."""
        with self._file.writing() as db:
            for statement in START_OVER:
                db.execute(statement)
            db.execute(WAS_READ, (self._clock(),))  # half read it is no older than this
        self._empty_wal()

    def erased(self, refs: Iterable[str]) -> set[str]:
        """Those of the references that were erased."""
        return self._those(ERASED, refs)

    def known(self, refs: Iterable[str]) -> set[str]:
        """Those of the references that have an identity."""
        return self._those(KNOWN, refs)

    def _those(self, template: str, refs: Iterable[str]) -> set[str]:
        asked = [packed(ref) for ref in refs]
        return {
            unpacked(ref)
            for statement, part in statements(template, 1, asked)
            for (ref,) in self._file.rows(statement, part)
        }

    def words_of(self, ref: str) -> list[str]:
        """The events of a reference of which there are words."""
        return [event_id for (event_id,) in self._file.rows(WORDS_OF, (packed(ref),))]

    def mark_erased(self, ref: str) -> None:
        """Erases what is here of a reference, if anything is, and remembers that it is erased."""
        if self.known([ref]) or self.words_of(ref):
            self.erase(ref)
            return
        with self._file.writing() as db:
            db.execute("INSERT OR IGNORE INTO erased VALUES (?)", (packed(ref),))

    def remove_words(self, ref: str, event_id: str) -> None:
        """Erases the words of one event."""
        with self._file.writing() as db:
            slots = db.execute(SLOT_OF, (packed(ref), event_id)).fetchall()
            for slot in slots:
                db.execute(OVERWRITE, slot)
            db.execute("DELETE FROM evidence WHERE ref = ? AND event_id = ?", (packed(ref), event_id))
        if slots:
            self._empty_wal()

    def renew(self, ref: str) -> None:
        """Takes back that a reference was erased."""
        with self._file.writing() as db:
            db.execute("DELETE FROM erased WHERE ref = ?", (packed(ref),))


def _add(db: sqlite3.Connection, look: Look) -> None:
    values = (look.at, packed(look.ref), look.by, look.what)
    # A process that was killed before it noted its position reads the same again.
    if db.execute(LOOKED, values).fetchone() is None:
        db.execute(LOOK, values)
