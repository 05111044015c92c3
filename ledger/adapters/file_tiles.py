"""Tiles and checkpoints as files of a folder, so that any web server can serve it as C2SP's tlog-tiles says.

A file appears under its name whole. It survives a power cut once `settle` has returned: many small files are
synced at once, because each waits for the disk and not for the processor.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ledger.adapters.sqlite_speaking import speaking
from ledger.adapters.turnstile import Turnstile
from ledger.durable import sync

PATIENCE = 60.0
SYNCING = 16


class FileTiles:
    """The port `ledger.tiles.Tiles` on a folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made until something is written."""
        self.folder = folder
        self._unsettled: set[Path] = set()

    def read(self, name: str) -> bytes | None:
        """See the port."""
        with speaking(self.folder / name, "tiles", "read"):
            try:
                return (self.folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, data: bytes) -> None:
        """See the port."""
        path = self.folder / name
        draft = path.with_name(f"{path.name}.new")
        with speaking(path, "tiles", "written"):
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            draft.write_bytes(data)
            draft.rename(path)
        self._unsettled.add(path)

    def settle(self) -> None:
        """See the port."""
        paths, self._unsettled = self._unsettled, set()
        folders = {folder for path in paths for folder in path.parents if folder.is_relative_to(self.folder)}
        with speaking(self.folder, "tiles", "written"), ThreadPoolExecutor(SYNCING) as pool:
            for some in (paths, folders | {self.folder.parent}):
                list(pool.map(sync, some))

    def remove_partial(self, name: str) -> None:
        """See the port."""
        with speaking(self.folder / name, "tiles", "written"):
            shutil.rmtree(f"{self.folder / name}.p", ignore_errors=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody else on this machine writes here. Raises UnavailableError."""
        with speaking(self.folder, "tiles", "written"):
            self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            turnstile = Turnstile(self.folder / "checkpoint", PATIENCE)
        try:
            with turnstile.held():
                yield
        finally:
            turnstile.close()
