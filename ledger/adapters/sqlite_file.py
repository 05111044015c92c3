"""A SQLite file of ours: made in one step, told apart from everything else, written by one at a time.

What both SQLite adapters need and neither is about.
"""

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.adapters.sqlite_speaking import speaking
from ledger.adapters.turnstile import Turnstile
from ledger.durable import sync
from ledger.errors import NotALedgerError, UnavailableError
from schemas.errors import InputError

SIDE_FILES = ("-wal", "-shm", "-journal")
READ_PATIENCE = 10.0
WRITER = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA temp_store = MEMORY")
READER = ("PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0", "PRAGMA temp_store = MEMORY")


@dataclass(frozen=True)
class Kind:
    """What a file of ours is: what a person calls it, its mark, its format, how it is made.

    `settings` are pragmas for the connection that writes.
    """

    name: str
    application_id: int
    version: int
    schema: Sequence[str]
    settings: Sequence[str] = ()
    oldest: int = 1
    """The first format that is still read; only of what can be made again it may be raised."""


class SqliteFile:
    """One data file, opened: a connection that writes, others that read, and the turnstile before the first."""

    def __init__(
        self, path: Path, kind: Kind, patience: float, prepare: Callable[[sqlite3.Connection], None] | None = None
    ) -> None:
        """Opens the file, or makes it where there is none; `prepare` adds what a new one starts with.

        Raises NotALedgerError, leaving a file that is something else as it is, UnavailableError and NoRoomError.
        """
        self.path = Path(os.path.realpath(path))  # one name, so that all processes meet at the same turnstile
        self.kind = kind
        self._free: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._closed = False
        with self._speaking("opened"):
            # Before the lock files are made: beside what is not ours, nothing appears.
            _is_ours(self.path, kind)
            self._turnstile = Turnstile(self.path, patience)
        try:
            with self._speaking("opened"), self._turnstile.held():
                if not _is_ours(self.path, kind):
                    _make(self.path, kind, prepare)
                self._writer = _connected(self.path, patience, (*WRITER, *kind.settings))
                self._settle()
        except BaseException:
            self._turnstile.close()
            raise

    def _settle(self) -> None:
        # A process that died between writing and fsync may have left commits that only the page cache holds. Nobody
        # was told of them, but we are about to build on them: a checkpoint makes them durable first.
        db = self._writer
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            _busy, frames, moved = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            pages, size = db.execute("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").fetchone()
            # SQLite misses whole pages by itself, but not the end of the last.
            if frames == moved and os.stat(self.path).st_size < pages * size:
                raise NotALedgerError(f"{self.path} is damaged (its end is missing); restore it from a backup")
        except BaseException:
            db.close()
            raise

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, while nobody else does."""
        self._check_open()
        with self._speaking("written to"), self._turnstile.held():
            self._check_open()
            yield self._writer

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction in its turn: committed at the end, undone if anything is raised.

        The checkpoint that a commit may bring happens in the same turn, never beside another writer: SQLite
        before 3.51.3 can lose a commit when one connection writes while another resets the WAL.
        """
        with self.alone() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # a full disk ends the transaction by itself
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write. Let each statement run to its end before giving it back: an open one
        holds its snapshot, and while it does the WAL cannot be reset and grows."""
        with self._guard:
            self._check_open()
            reader = self._free.pop() if self._free else None
        with self._speaking("read"):
            reader = reader or _connected(self.path, READ_PATIENCE, READER)
            try:
                yield reader
            finally:
                self._give_back(reader)

    def _give_back(self, reader: sqlite3.Connection) -> None:
        with self._guard:
            if not self._closed:
                self._free.append(reader)
                return
        reader.close()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of one query, of one moment."""
        with self.reading() as reader:
            return reader.execute(statement, values).fetchall()

    def backup_to(self, target: Path) -> None:
        """Copies the file as of one moment to a new file, while others read and write.

        Raises InputError if the target exists; UnavailableError or NoRoomError, and then leaves nothing behind.
        """
        target = target.absolute()
        if os.path.lexists(target):
            raise InputError(f"{target} exists already; name a new file for the backup")
        part = Path(f"{target}.part")
        try:
            with self.reading() as reader, speaking(target, "a backup", "written to"):
                _remove(part)
                with closing(sqlite3.connect(part, isolation_level=None)) as copy:
                    # All pages in one step: between several, every commit of another process starts it again.
                    reader.backup(copy, pages=-1)
                os.rename(part, target)
                sync(target.parent)
        finally:
            _remove(part)

    def close(self) -> None:
        """Lets go of the file. Repeatable. Other threads that read finish what they read."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        for reader in self._free:
            reader.close()
        # The last to close moves the WAL into the file, which is writing; out of patience it is left to the next.
        with suppress(UnavailableError), self._turnstile.held():
            self._writer.close()
        self._writer.close()
        self._turnstile.close()

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError(f"{self.path} is closed; open it again")

    def _speaking(self, done: str) -> AbstractContextManager[None]:
        return speaking(self.path, self.kind.name, done)


def _is_ours(path: Path, kind: Kind) -> bool:
    """Whether there is a file; raises NotALedgerError if it is something else, and changes nothing."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise NotALedgerError(f"{path} is not a file, so it cannot be {kind.name}; name another path")
    if found.st_size == 0:
        raise NotALedgerError(f"{path} is empty, not {kind.name}; name another path, or remove the empty file")
    application_id, version = _marks(path, kind)
    if application_id != kind.application_id:
        raise NotALedgerError(f"{path} is something else, not {kind.name}; name another path")
    if version > kind.version:
        raise NotALedgerError(
            f"{path} was written by a newer version of this program (format {version}, this one reads up to "
            f"{kind.version}); update the program"
        )
    if version < kind.oldest:
        raise NotALedgerError(
            f"{path} was written by an older version of this program (format {version}, this one reads from "
            f"{kind.oldest}): remove it, it will be made again"
        )
    return True


def _marks(path: Path, kind: Kind) -> tuple[int, int]:
    """Application id and version, read without locks and without a look at the WAL.

    Not with `open`: closing any descriptor of a file drops all POSIX locks that this process holds on it, SQLite's
    included. `writable_schema` because after a crash in the middle of a checkpoint the file may be shorter than its
    first page says, the rest being in the WAL; that is a ledger all the same.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        try:
            db.execute("PRAGMA writable_schema = ON")
            return db.execute("PRAGMA application_id").fetchone()[0], db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise NotALedgerError(f"{path} is not {kind.name} (or is damaged); name another path") from None
            raise


def _make(path: Path, kind: Kind, prepare: Callable[[sqlite3.Connection], None] | None) -> None:
    """Builds a new file under another name and renames it: kill -9 leaves a whole one or none.

    Called in turn, so that of two processes which find no file one makes it and the other opens it.
    """
    for left in (Path(f"{path}{suffix}") for suffix in ("-wal", "-journal")):
        if left.exists() and left.stat().st_size:
            # SQLite would play it into the new file; and it may hold what was acknowledged last.
            raise NotALedgerError(f"{path} is missing but {left.name} is there; put {path.name} back, or move it away")
    part = Path(f"{path}.new")
    _remove(part)  # of a process that was killed here
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as db:
            db.execute("BEGIN")
            db.execute(f"PRAGMA application_id = {kind.application_id}")
            db.execute(f"PRAGMA user_version = {kind.version}")
            for statement in kind.schema:
                db.execute(statement)
            if prepare:
                prepare(db)
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode = WAL").fetchone()
        os.rename(part, path)
        sync(path.parent)
    finally:
        _remove(part)


def _connected(path: Path, patience: float, settings: Sequence[str]) -> sqlite3.Connection:
    # `mode=rw`: a file that vanished is not made again, empty. Statements are kept prepared.
    db = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", patience, uri=True, isolation_level=None, check_same_thread=False,
        cached_statements=64,
    )  # fmt: skip
    try:
        for setting in settings:
            db.execute(setting).fetchall()
    except BaseException:
        db.close()
        raise
    return db


def _remove(path: Path) -> None:
    for suffix in ("", *SIDE_FILES):
        with suppress(OSError):
            os.unlink(f"{path}{suffix}")
