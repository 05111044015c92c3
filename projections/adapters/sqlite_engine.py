"""Engines for SQLite files of projections, whose transactions begin where we say."""

from typing import Any, Final

import sqlalchemy as sa

PATIENCE_S: Final = 60


def sqlite_engine(url: sa.URL | str) -> sa.Engine:
    """An engine for the file at a URL. With the execution option `writes` a transaction takes the lock at its start.

    What reads and then writes must: two that took the lock in between could not both go on.
    """
    engine = sa.create_engine(url, connect_args={"timeout": PATIENCE_S})
    sa.event.listen(engine, "connect", _configure)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver's own
    connection.isolation_level = None  # transactions begin where _begin says so
    cursor = connection.cursor()
    cursor.execute(
        "PRAGMA synchronous=NORMAL"
    )  # all of it can be made again from the log: none need survive a power cut
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
