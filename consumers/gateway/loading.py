"""A copy from the topics alone: read once in any order, sorted in files, built in another process (`building.py`).

Ten million states would take gigabytes of memory while they wait for later ones of the same subject. So they go to
files by the first byte of their key, a few megabytes each; then one file after the other is read, sorted, and added to
the tables of a new copy.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct
from typing import Final, Self

from consumers.replica import Replica
from ledger.errors import UnavailableError
from schemas.topics import TABLES, Table

HELD: Final = 32 << 20
"""Bytes of states that wait in memory to be written."""
HEAD: Final = Struct("<II")
"""Before each record: how long its key is, and its value with the tag."""
TAGS: Final[dict[Table, bytes]] = {table: number.to_bytes(1) for number, table in enumerate(TABLES)}
"""Before each value: which table it was read from."""
BUILT, SAID, UNREADABLE = "_built", "_said", "_unreadable"


class Pieces:
    """Parts of states, on their way to files by the first two digits of their key."""

    def __init__(self, folder: Path, ending: str = "") -> None:
        """The names of its files have this ending: they are its own."""
        self.folder, self._ending = folder, ending
        self._pieces: dict[bytes, list[bytes]] = {}
        self._held = 0

    def add(self, table: Table, key: bytes, value: bytes) -> None:
        """A part as it stands in a table, which takes the place of an earlier one of the same key."""
        record = b"%b%b%b%b" % (HEAD.pack(len(key), 1 + len(value)), key, TAGS[table], value)
        try:
            self._pieces[key[:2]].append(record)
        except KeyError:
            self._pieces[key[:2]] = [record]
        self._held += len(record)
        if self._held >= HELD:
            self.write()

    def write(self) -> None:
        """What still waits is in the files then. Raises UnavailableError."""
        try:
            for digits, pieces in self._pieces.items():
                with (self.folder / f"{digits.hex()}{self._ending}").open("ab") as file:
                    file.write(b"".join(pieces))
        except OSError as error:
            raise UnavailableError(f"there is no room to load the copy in {self.folder}: {error.strerror}") from error
        self._pieces, self._held = {}, 0


class Spill(Pieces):
    """A folder of such files, from which a copy is made. Gone when it is closed."""

    def __init__(self, folder: Path) -> None:
        """Raises UnavailableError where nothing can be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            super().__init__(Path(tempfile.mkdtemp(prefix=".loading-", dir=folder)))
        except OSError as error:
            raise UnavailableError(f"the folder {folder} cannot be written: {error.strerror}") from error

    @contextmanager
    def building(self, fingerprint: str) -> Iterator[Callable[[], bool]]:
        """Makes a copy of all parts in a process of its own; what is given asks whether it is there.

        Raises UnavailableError, from what is given, where it cannot be made.
        """
        self.write()
        command = [sys.executable, "-m", "consumers.gateway.building", str(self.folder), fingerprint]
        said = self.folder / SAID
        with said.open("wb") as out:
            child = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

        def is_built() -> bool:
            if child.poll():
                raise UnavailableError(f"the copy could not be made: {said.read_text('utf-8', 'replace')[-300:]}")
            return child.returncode == 0

        try:
            yield is_built
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # those that it has started as well
            child.wait()

    def unreadable(self) -> list[tuple[str, str]]:
        """Subjects that could not be read, and why: they are held in the copy that was made."""
        lines = (self.folder / UNREADABLE).read_text("utf-8").splitlines()
        return [(subject, reason) for subject, _, reason in (line.partition(" ") for line in lines)]

    def built(self, fingerprint: str) -> Replica:
        """The copy that was made. Its file has no name any more, and goes with it. Raises SnapshotError."""
        replica = Replica.open(self.folder / BUILT, fingerprint, check=False)
        replica.path = None
        return replica

    def close(self) -> None:
        """Removes the files. Repeatable."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
