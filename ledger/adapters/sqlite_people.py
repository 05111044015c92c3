"""The erasable stores in one SQLite file of their own, encrypted.

What must be erasable lies in `vault`, whose rows are only ever added at the end and, to erase, overwritten in place
with zeros of the same length. They are never deleted: a B-tree that shrinks, or takes rows in the middle, moves the
neighbours between its pages and leaves copies of some in unused space, where `secure_delete` never comes (tried: of
800 records deleted from an index of 4,000, two could still be read). What moves about are the indexes, and they hold
references only. After an erasure the WAL, which still has the pages as they were, is emptied.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ledger.adapters.sealing import Sealing
from ledger.adapters.sqlite_file import Kind, SqliteFile
from ledger.adapters.sqlite_rows import Packed, packed, statements, unpacked
from ledger.errors import NotALedgerError, UnavailableError, WrongSecretError
from ledger.people import Identity, Words

PATIENCE = 60.0
FEW = 16  # so many references are looked up before waiting for a turn: most often all are known
PAGE = 2_000  # rows read in one moment
MAX_SLOT = 2**63 - 1

PEOPLE = Kind(
    name="a store of identities",
    application_id=0x504C_5031,
    version=1,
    settings=(
        "PRAGMA secure_delete = ON",
        "PRAGMA cache_size = -65536",
        "PRAGMA wal_autocheckpoint = 8000",
        "PRAGMA journal_size_limit = 67108864",
    ),
    schema=(
        "CREATE TABLE vault (slot INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
        "CREATE TABLE identity (ref NOT NULL PRIMARY KEY, slot INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE evidence (ref NOT NULL, event_id NOT NULL, slot INTEGER NOT NULL, "
        "PRIMARY KEY (ref, event_id)) WITHOUT ROWID",
        "CREATE TABLE erased (ref NOT NULL PRIMARY KEY) WITHOUT ROWID",
        # Where the vault ended at a time, once an hour: tells which records are older, without a time in each.
        "CREATE TABLE marks (at INTEGER PRIMARY KEY, slot INTEGER NOT NULL)",
        "CREATE TABLE looks (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, ref NOT NULL, by TEXT NOT NULL, "
        "what TEXT NOT NULL)",
        "CREATE INDEX looks_by_ref ON looks (ref)",
        "CREATE TABLE key_check (value BLOB NOT NULL)",
        "CREATE TRIGGER looks_cannot_update BEFORE UPDATE ON looks "
        "BEGIN SELECT RAISE(ABORT, 'who looked cannot be changed'); END",
        "CREATE TRIGGER looks_cannot_delete BEFORE DELETE ON looks "
        "BEGIN SELECT RAISE(ABORT, 'who looked cannot be removed'); END",
        "CREATE TRIGGER looks_only_at_the_end BEFORE INSERT ON looks "
        "WHEN NEW.number IS NOT (SELECT coalesce(max(number) + 1, 0) FROM looks) "
        "BEGIN SELECT RAISE(ABORT, 'who looked is added at the end only'); END",
        "CREATE TRIGGER vault_cannot_delete BEFORE DELETE ON vault "
        "BEGIN SELECT RAISE(ABORT, 'a sealed record is overwritten, not deleted: see sqlite_people'); END",
    ),
)

ASKED = "WITH asked (ref) AS (VALUES {rows}) SELECT asked.ref "
KNOWN = ASKED + "FROM asked CROSS JOIN identity USING (ref)"
ERASED = ASKED + "FROM asked CROSS JOIN erased USING (ref)"
IDENTITIES = ASKED + ", sealed FROM asked CROSS JOIN identity USING (ref) CROSS JOIN vault USING (slot)"
KNOWN_EVIDENCE = (
    "WITH asked (ref, event_id) AS (VALUES {rows}) SELECT asked.ref, asked.event_id "
    "FROM asked CROSS JOIN evidence USING (ref, event_id)"
)
EVIDENCE = "SELECT sealed FROM evidence JOIN vault USING (slot) WHERE ref = ? AND event_id = ?"
END_OF_VAULT = "SELECT coalesce(max(slot) + 1, 0) FROM vault"
SLOTS_OF = "SELECT slot FROM identity WHERE ref = ? UNION ALL SELECT slot FROM evidence WHERE ref = ?"
MARK = (
    "INSERT OR IGNORE INTO marks SELECT ?, coalesce((SELECT max(slot) + 1 FROM vault), 0) "
    "WHERE ? >= coalesce((SELECT max(at) FROM marks), 0) + 3600000"
)
# What came after a mark and before the next came within the hour, or there would be another mark between.
END_BEFORE = "SELECT coalesce(min(slot), ?) FROM marks WHERE at > ? - 3600000"
NEXT_REFS = "SELECT ref FROM identity WHERE ref > ? AND slot < ? ORDER BY ref LIMIT ?"
OVERWRITE = "UPDATE vault SET sealed = zeroblob(length(sealed)) WHERE slot = ?"
LOOK = "INSERT INTO looks SELECT coalesce(max(number) + 1, 0), ?, ?, ?, ? FROM looks"
LOOKS = "SELECT number, at, ref, by, what FROM looks WHERE number > ? ORDER BY number LIMIT ?"
LOOKS_AT = "SELECT number, at, ref, by, what FROM looks WHERE number > ? AND ref = ? ORDER BY number LIMIT ?"


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class SqlitePeople:
    """The port `ledger.people.People` on a file, for any number of threads and processes of one machine."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        key: bytes,
        patience: float = PATIENCE,
        clock: Callable[[], int] = now,
    ) -> None:
        """Opens the file or makes it. `key`: 32 bytes; `patience`: seconds to wait for another writer.

        Raises NotALedgerError, WrongSecretError, UnavailableError, NoRoomError.
        """
        self._sealing = Sealing(key)
        self._clock = clock
        self._file = SqliteFile(Path(path), PEOPLE, patience, self._mark)
        try:
            found = self._file.rows("SELECT value FROM key_check")
            if found != [(self._sealing.check,)]:
                raise WrongSecretError(f"{path} was made with another secret; use the secret file that belongs to it")
        except BaseException:
            self._file.close()
            raise

    def _mark(self, db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO key_check VALUES (?)", (self._sealing.check,))

    def keep(self, identities: Sequence[Identity], evidence: Sequence[Words] = ()) -> None:
        """See the port."""
        people = {packed(identity.ref): identity for identity in reversed(identities)}
        if not evidence and len(people) <= FEW and len(self._known(people)) == len(people):
            return
        renewed = [packed(identity.ref) for identity in identities if identity.renews]
        words = {(packed(said.ref), said.event_id): said for said in reversed(evidence)}
        at = self._clock()
        with self._file.writing() as db:
            db.execute(MARK, (at, at))
            _execute(db, "DELETE FROM erased WHERE ref IN (VALUES {rows})", 1, renewed)
            erased = {ref for (ref,) in _fetch(db, ERASED, 1, [*people, *(ref for ref, _event_id in words)])}
            self._keep_identities(db, people, erased)
            if words:
                self._keep_words(db, words, erased)

    def _keep_identities(self, db: sqlite3.Connection, people: dict[Packed, Identity], erased: set[Packed]) -> None:
        # References are random: in their order, neighbours land on the same page of the index.
        refs = _in_order(people)
        known = {ref for (ref,) in _fetch(db, KNOWN, 1, refs)} | erased
        new = [ref for ref in refs if ref not in known]
        slots = _put(db, self._sealing.identities([people[ref] for ref in new]))
        values = [value for pair in zip(new, slots, strict=True) for value in pair]
        _execute(db, "INSERT INTO identity (ref, slot) VALUES {rows}", 2, values)

    def _keep_words(self, db: sqlite3.Connection, words: dict[tuple[Packed, str], Words], erased: set[Packed]) -> None:
        known = set(_fetch(db, KNOWN_EVIDENCE, 2, [value for pair in words for value in pair]))
        new = [pair for pair in words if pair not in known and pair[0] not in erased]
        slots = _put(db, [self._sealing.words(words[pair]) for pair in new])
        values = [value for pair, slot in zip(new, slots, strict=True) for value in (*pair, slot)]
        _execute(db, "INSERT INTO evidence (ref, event_id, slot) VALUES {rows}", 3, values)

    def identity(self, ref: str) -> Identity | None:
        """See the port. Raises NotALedgerError if the record is damaged."""
        return self.identities((ref,)).get(ref)

    def identities(self, refs: Iterable[str]) -> dict[str, Identity]:
        """See the port. Raises NotALedgerError if a record is damaged."""
        found = {}
        with self._file.reading() as db:
            rows = _fetch(db, IDENTITIES, 1, [packed(ref) for ref in refs])
        for ref, sealed in rows:
            try:
                found[unpacked(ref)] = self._sealing.identity(unpacked(ref), sealed)
            except ValueError as error:
                raise self._damaged(error) from error
        return found

    def _known(self, refs: Iterable[Packed]) -> list[Any]:
        with self._file.reading() as db:
            return _fetch(db, KNOWN, 1, list(refs))

    def all_refs(self) -> Iterator[str]:
        """See the port. Those kept meanwhile may be among them or not."""
        return self._refs(MAX_SLOT)

    def _refs(self, end: int) -> Iterator[str]:
        page = self._file.rows("SELECT ref FROM identity WHERE slot < ? ORDER BY ref LIMIT ?", (end, PAGE))
        while page:
            for (ref,) in page:
                yield unpacked(ref)
            page = self._file.rows(NEXT_REFS, (page[-1][0], end, PAGE))

    def evidence(self, ref: str, event_id: str) -> Words | None:
        """See the port. Raises NotALedgerError if the record is damaged."""
        for (sealed,) in self._file.rows(EVIDENCE, (packed(ref), event_id)):
            try:
                return self._sealing.opened_words(ref, event_id, sealed)
            except ValueError as error:
                raise self._damaged(error) from error
        return None

    def erase(self, ref: str) -> int:
        """See the port. Raises UnavailableError if traces are left that another program keeps: erase again then."""
        return self._remove(packed(ref), remember=True)

    def forget(self, ref: str) -> int:
        """See the port. Raises UnavailableError as `erase` does."""
        return self._remove(packed(ref), remember=False)

    def see_to_removal(self) -> None:
        """See the port: a crash may have left the WAL as it was before an erasure."""
        self._empty_wal()

    def kept_before(self, at: int) -> Iterator[str]:
        """See the port. Knows it to the hour: one that was stored less than an hour before may not be among them."""
        return self._refs(self._file.rows(END_BEFORE, (MAX_SLOT, at))[0][0])

    def _remove(self, known: Packed, remember: bool) -> int:
        with self._file.writing() as db:
            slots = db.execute(SLOTS_OF, (known, known)).fetchall()
            for slot in slots:
                db.execute(OVERWRITE, slot)
            db.execute("DELETE FROM identity WHERE ref = ?", (known,))
            db.execute("DELETE FROM evidence WHERE ref = ?", (known,))
            if remember:
                db.execute("INSERT OR IGNORE INTO erased VALUES (?)", (known,))
        # Also when nothing was there: a crash may have come between the last erasure and this.
        self._empty_wal()
        return len(slots)

    def _empty_wal(self) -> None:
        with self._file.alone() as db:
            busy, _frames, _moved = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise UnavailableError(
                f"the records are erased, but a program that reads {self._file.path} keeps traces of them in its "
                "-wal file; end it and erase again"
            )

    def looked_at(self, ref: str, by: str, what: str, at: int) -> None:
        """See the port."""
        with self._file.writing() as db:
            db.execute(LOOK, (at, packed(ref), by, what))

    def looks(self, ref: str | None = None) -> Iterator[tuple[int, str, str, str]]:
        """See the port."""
        last = -1
        while True:
            if ref is None:
                page = self._file.rows(LOOKS, (last, PAGE))
            else:
                page = self._file.rows(LOOKS_AT, (last, packed(ref), PAGE))
            if not page:
                return
            for _number, at, of, by, what in page:
                yield at, unpacked(of), by, what
            last = page[-1][0]

    def backup_to(self, path: str | os.PathLike[str]) -> None:
        """Copies the store as of one moment to a new file. What is erased later is still in the copy.

        Raises InputError if the file exists, UnavailableError or NoRoomError.
        """
        self._file.backup_to(Path(path))

    def close(self) -> None:
        """See the port."""
        self._file.close()

    def _damaged(self, error: ValueError) -> NotALedgerError:
        return NotALedgerError(f"{self._file.path} is damaged ({error}); restore it from a backup")


def _put(db: sqlite3.Connection, sealed: Sequence[bytes]) -> range:
    """Adds records at the end of the vault and says where."""
    (end,) = db.execute(END_OF_VAULT).fetchone()
    slots = range(end, end + len(sealed))
    values = [value for pair in zip(slots, sealed, strict=True) for value in pair]
    _execute(db, "INSERT INTO vault (slot, sealed) VALUES {rows}", 2, values)
    return slots


def _execute(db: sqlite3.Connection, template: str, width: int, values: list[Any]) -> None:
    for statement, part in statements(template, width, values):
        db.execute(statement, part)


def _fetch(db: sqlite3.Connection, template: str, width: int, values: list[Any]) -> list[Any]:
    return [
        row for statement, part in statements(template, width, values) for row in db.execute(statement, part).fetchall()
    ]


def _in_order(refs: Iterable[Packed]) -> list[Packed]:
    """As the indexes have them: text before bytes."""
    texts, raws = [], []
    for ref in refs:
        if isinstance(ref, bytes):
            raws.append(ref)
        else:
            texts.append(ref)
    return [*sorted(texts), *sorted(raws)]
