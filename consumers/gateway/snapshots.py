"""A gateway's snapshot on disk, and which processes have used it.

Beside `PATH` there is `PATH.lock`, locked by the process that uses it; it holds the ids of processes that have
registered and not yet retired. Whoever has the lock knows that all of them but itself are dead; but of a copy of the
file nobody knows that, so it says first which file it is.
"""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consumers.replica import Replica, SnapshotError
from ledger.errors import UnavailableError
from schemas.errors import InputError


class Snapshots:
    """The snapshot of one gateway; of one process at a time."""

    def __init__(self, path: Path, fingerprint: str, process: str) -> None:
        """Raises InputError where another process uses it, UnavailableError where it cannot be written."""
        self.path = path
        self._fingerprint = fingerprint
        self._process = process
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise InputError(f"another gateway uses the snapshot {path}; name another with --snapshot") from None
        except OSError as error:
            raise UnavailableError(f"the snapshot {path} cannot be written: {error.strerror}") from error
        self._file = f"{os.fstat(self._lock).st_ino}@{os.fstatvfs(self._lock).f_fsid}"
        of, *processes = os.read(self._lock, 1 << 20).decode("ascii", "replace").split() or [self._file]
        self.dead = processes if of == self._file else []
        """Processes that used it before and did not say that they ended."""
        self._write([*self.dead, process])

    def buried(self) -> None:
        """The ledger knows that those that used it before are gone."""
        self.dead = []
        self._write([self._process])

    def ended(self) -> None:
        """The ledger knows that this one ends."""
        self._write(self.dead)

    def _write(self, processes: list[str]) -> None:
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, "\n".join([self._file, *processes]).encode(), 0)
        os.fsync(self._lock)

    def open(self) -> Replica | None:
        """The copy in it; None where there is none. Raises SnapshotError for a file that cannot be used."""
        try:
            replica = Replica.open(self.path, self._fingerprint)
        except FileNotFoundError:
            return None
        if not (replica.notes.get("positions") and replica.notes.get("marks")):
            raise SnapshotError(f"{self.path} is no gateway's snapshot; the copy is loaded from the topics")
        return replica

    def save(self, replica: Replica, notes: Mapping[str, Any]) -> None:
        """Puts the copy there, in one step. Raises UnavailableError (NoRoomError); the copy stays as it is."""
        replica.notes = dict(notes)
        replica.save(self.path)

    def close(self) -> None:
        """Lets another process use it."""
        os.close(self._lock)
