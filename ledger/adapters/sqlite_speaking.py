"""What SQLite and the system raise, as one of the ledger's errors: what is wrong, where, and what to do."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import LedgerError, NoRoomError, NotALedgerError, UnavailableError

NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
# A full disk is FULL; a quota, or a limit on the size of files, is an error of writing the file or the WAL's index.
NO_ROOM_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}


@contextmanager
def speaking(path: Path, name: str, done: str) -> Iterator[None]:
    """Says what failed of what was being `done` to `name` at `path`; bugs (constraints, misuse) pass as they are."""
    try:
        yield
    except sqlite3.Error as error:
        found = _of_sqlite(error, path, name, done)
        if found is None:
            raise
        raise found from error
    except OSError as error:
        raise _of_system(error, path, done) from error


def _of_sqlite(error: sqlite3.Error, path: Path, name: str, done: str) -> LedgerError | None:
    code = getattr(error, "sqlite_errorcode", 0)
    kind = code & 0xFF
    if code in NO_ROOM_SQLITE:
        return _no_room(path, done)
    if kind in LOCKED:
        return UnavailableError(
            f"{path} is locked by another program, such as a database browser or the sqlite3 shell; close it and "
            "try again"
        )
    if kind in DAMAGED:
        return NotALedgerError(f"{path} is damaged or not {name} ({error}); restore it from a backup")
    if kind in FORBIDDEN:
        return UnavailableError(f"{path} cannot be {done} ({error}); check its folder and who may write there")
    if kind == sqlite3.SQLITE_IOERR:
        return UnavailableError(f"{path} cannot be {done}: the disk reports an error ({error}); check the disk")
    return None


def _of_system(error: OSError, path: Path, done: str) -> LedgerError:
    if error.errno in NO_ROOM:
        return _no_room(path, done)
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno == errno.ENOENT:
        return UnavailableError(f"{path} cannot be {done}: there is no folder {path.parent}; make it first")
    return UnavailableError(f"{path} cannot be {done} ({reason}); check its folder and who may write there")


def _no_room(path: Path, done: str) -> NoRoomError:
    return NoRoomError(
        f"{path} cannot be {done}: the disk is full, or a limit on file sizes is reached; make room and try again"
    )
