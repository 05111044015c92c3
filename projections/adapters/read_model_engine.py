"""How the database of the read models is reached, SQLite or PostgreSQL, and what its errors mean."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import make_conninfo

from ledger.errors import NoRoomError, NotALedgerError, UnavailableError
from projections.adapters.sqlite_engine import sqlite_engine
from projections.read_models import NoRightsError, OtherVersionError
from schemas.errors import InputError

LIVE: Final = "read_models"
"""The schema of the tables that are read, where a database has schemas."""
CONNECT_S: Final = 10
BLANK: Final = "\\ "
"""A blank within a setting, as a server reads its options."""
LOCKED: Final = "55P03"
POSTGRES: Final = ("postgresql", "postgres")
NO_ROOM: Final = ("53100",)
NO_ROOM_SAID: Final = ("disk is full", "disk I/O", "could not extend file")
"""The last by a server where a file may not grow any more: for a limit of its size it has no code of its own."""
NO_RIGHTS: Final = ("42501", "28000", "28P01", "25006")
NOT_LET_IN: Final = ("password authentication failed", "permission denied", "FATAL: role ", "no pg_hba.conf entry")
ADVICE: Final = {
    "53300": "it has no connection left: nothing was written; repeat later, or raise its max_connections",
    "57014": "the statement took longer than its time limit and was cancelled: nothing was written",
    LOCKED: "somebody holds a lock on a table: nothing was written; repeat",
    "3D000": "there is no such database: create it, then run prefledger db upgrade",
}
NO_TABLES: Final = ("42P01", "3F000", "42703")


def database_url(url: str) -> sa.URL:
    """The URL with its driver. Raises InputError for what is no URL, or of another kind of database."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise InputError(
            "PREFLEDGER_DATABASE_URL is no URL: write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from None
    kind = parsed.drivername.partition("+")[0]
    if kind in POSTGRES:
        return parsed.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and parsed.database:
        return parsed
    raise InputError(f"PREFLEDGER_DATABASE_URL names a database of the kind {kind!r}: it must be sqlite or postgresql")


def file_of(url: str) -> Path | None:
    """The file of a SQLite database, None for a server's. Raises InputError."""
    parsed = database_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def engine_of(url: str, schema: str = LIVE) -> sa.Engine:
    """An engine whose connections find the tables of one set; the same statements are for any of them."""
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = sqlite_engine(parsed)
        sa.event.listen(engine, "connect", _read_while_written)
        return engine
    return sa.create_engine(parsed, connect_args=_connecting(schema), pool_pre_ping=True, pool_size=2)


def conninfo_of(url: str, schema: str, settings: Mapping[str, str]) -> str:
    """The same server, and all that the URL says of how to reach it, for a driver that takes libpq's own words.

    `settings`: of the session, beside those of `engine_of`.
    """
    parsed = database_url(url)
    _, asked = parsed.get_dialect()().create_connect_args(parsed)
    return make_conninfo(**{**asked, **_connecting(schema, settings), "client_encoding": "UTF8"})


def _connecting(schema: str, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    session = {"search_path": schema, "timezone": "UTC"} | dict(settings or {})
    options = " ".join(f"-c {name}={value.replace(' ', BLANK)}" for name, value in session.items())
    return {"options": options, "connect_timeout": CONNECT_S, "application_name": "prefledger"}


def _read_while_written(connection: Any, _record: object) -> None:  # noqa: ANN401  # the driver's own
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


@contextmanager
def reached(url: str, schema: str = LIVE) -> Iterator[sa.Engine]:
    """An engine for what is done in the block, whose errors are `explained`; it lets go of the database at the end."""
    engine = engine_of(url, schema)
    try:
        with explained(engine):
            yield engine
    finally:
        engine.dispose()


def drop_unread(engine: sa.Engine, schemas: Iterable[str], within_ms: int) -> None:
    """Removes schemas, each unless somebody still reads it after so long: that one is left for the next time."""
    for schema in schemas:
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {within_ms}")
                connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCKED:
                raise


SAID: Final = {
    "too many clients": "53300",
    "too many connections": "53300",
    "connection slots are reserved": "53300",
    'FATAL: database "': "3D000",
}
"""What a server says when it lets nobody in, which the driver gives without a code."""


@contextmanager
def explained(engine: sa.Engine) -> Iterator[None]:
    """Says in our own words what went wrong. Raises UnavailableError, NoRoomError, OtherVersionError, NoRightsError."""
    try:
        yield
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
        raise in_our_words(engine.url, cause) from error


def no_rights(url: sa.URL, said: str) -> NoRightsError:
    """The error for a role that may not do what is needed; `said`: what it may not."""
    return NoRightsError(
        f"the read models in {url.render_as_string(hide_password=True)} may not be used by this role ({said}); run "
        "prefledger db roles --apply as its administrator and prefledger db grant, or use another role"
    )


def in_our_words(url: sa.URL, cause: BaseException) -> Exception:
    """What an error of a driver of either database means, and what to do about it."""
    where = f"the read models in {url.render_as_string(hide_password=True)}"
    said = " ".join(str(cause).split()) or type(cause).__name__
    state = getattr(cause, "sqlstate", None) or ""
    if state in NO_ROOM or any(words in said for words in NO_ROOM_SAID):
        return NoRoomError(f"there is no room to write {where}; make room and repeat")
    if state in NO_RIGHTS or any(words in said for words in NOT_LET_IN):
        return no_rights(url, said)
    if state in NO_TABLES or "no such table" in said or "no such column" in said:
        return OtherVersionError(f"{where} have no tables of this version; run prefledger db upgrade")
    if "not a database" in said or "malformed" in said:
        return NotALedgerError(f"{where} are no database; remove the file, and they are made anew")
    advice = ADVICE.get(state) or next((ADVICE[code] for words, code in SAID.items() if words in said), None)
    return UnavailableError(f"{where} cannot be reached or written ({said}); {advice or 'repeat once they can'}")
