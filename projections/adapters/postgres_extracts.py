"""Extracts of read models in PostgreSQL: the server writes CSV by COPY, and Arrow reads it.

COPY says of each cell whether it is null or an empty text, so nothing is lost on the way. The transaction is read-only
and of one moment. An analyst's role, which sees no tables, gets the views of the same names.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import psycopg
import pyarrow as pa
import pyarrow.csv as pc
from psycopg import pq

from projections.adapters.extract_columns import at_time, checked, is_asked_time, named_apart
from projections.adapters.read_model_engine import LIVE, engine_of, explained
from projections.extracts import AS_OF, Extract
from projections.sharing import is_time
from schemas.errors import InputError

SEARCHED: Final = f"{LIVE},analysis"
BLOCK: Final = 1 << 22
UTC_TIME: Final = pa.timestamp("us", "UTC")
TYPES: Final = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int64(), 23: pa.int64(), 700: pa.float64(), 701: pa.float64(),
    1700: pa.float64(), 1082: pa.date32(), 1114: pa.timestamp("us"), 1184: UTC_TIME,
}  # fmt: skip
BYTES: Final = 17
OF_THE_QUERY: Final = ("42", "22", "25006", "57014", "0A")
"""SQLSTATEs of a query that is wrong, that writes, or that took longer than its role may."""
NO_RIGHTS: Final = "42501"


class PostgresExtracts:
    """The read models in one database. Raises InputError."""

    def __init__(self, url: str) -> None:
        self._engine = engine_of(url, SEARCHED)

    @contextmanager
    def table(self, name: str, at: int | None = None) -> Iterator[Extract]:
        """All rows of a read model, now or as it was."""
        checked(name, at)
        with self._reading() as connection:
            types = _described(connection, f'SELECT * FROM "{name}"')  # noqa: S608  # a name of ours
            times = frozenset(name for name, of in types.items() if of == pa.int64() and is_time(name))
            sql, left = _selected(name, at, types)
            yield Extract(pa.schema(left), _copied(connection, sql, left), times & left.keys())

    @contextmanager
    def query(self, sql: str) -> Iterator[Extract]:
        """The rows of a query, which PostgreSQL itself takes for one statement that reads."""
        sql = sql.strip().rstrip(";")
        with self._reading() as connection:
            try:
                types = _described(connection, sql)
                times = frozenset(name for name, of in types.items() if of == pa.int64() and is_asked_time(name))
                yield Extract(pa.schema(types), _copied(connection, sql, types), times)
            except psycopg.Error as error:
                state = error.sqlstate or ""
                if state.startswith(OF_THE_QUERY) and state != NO_RIGHTS:
                    said = " ".join(str(error).split())
                    raise InputError(
                        f"this query cannot be answered ({said}); a query reads, and is one statement"
                    ) from None
                raise

    def close(self) -> None:
        """Lets go of the database."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection[Any]]:
        with explained(self._engine):
            pooled = self._engine.raw_connection()
            try:
                connection = cast("psycopg.Connection[Any]", pooled.driver_connection)
                connection.read_only = True
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                yield connection
            finally:
                pooled.invalidate()  # a COPY may be under way


def _described(connection: psycopg.Connection[Any], sql: str) -> dict[str, pa.DataType]:
    """The columns of one statement. Prepared, it can be no more than one. Raises InputError, psycopg.Error."""
    connection.execute("SELECT 1")  # begins the transaction
    prepared = connection.pgconn.prepare(b"", sql.encode())
    if prepared.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(prepared)
    found = connection.pgconn.describe_prepared(b"")
    names = named_apart([(found.fname(place) or b"").decode() for place in range(found.nfields)])
    types: dict[str, pa.DataType] = {}
    for place, name in enumerate(names):
        if found.ftype(place) == BYTES:
            raise InputError(f"the column {name} holds bytes, which not every format has; select encode({name}, 'hex')")
        types[name] = TYPES.get(found.ftype(place), pa.string())
    return types


def _selected(name: str, at: int | None, types: dict[str, pa.DataType]) -> tuple[str, dict[str, pa.DataType]]:
    """What is selected of a read model, and the columns that this has."""
    if at is None:
        return f'SELECT * FROM "{name}"', types  # noqa: S608
    as_of = AS_OF[name]
    literal = "to_timestamp({} / 1000.0)" if UTC_TIME in types.values() else "{}"
    left = {column: of for column, of in types.items() if column not in as_of.without}
    selected = ", ".join(
        f'{at_time(as_of.columns[column], at, literal)} AS "{column}"' if column in as_of.columns else f'"{column}"'
        for column in left
    )
    return f'SELECT {selected} FROM "{name}" WHERE {at_time(as_of.rows, at, literal)}', left  # noqa: S608


def _copied(connection: psycopg.Connection[Any], sql: str, types: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    statement = f"COPY (\n{sql}\n) TO STDOUT (FORMAT csv, HEADER)".encode()
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        yield from pc.open_csv(
            _Stream(copy),
            pc.ReadOptions(column_names=list(types), skip_rows=1, block_size=BLOCK),
            pc.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            pc.ConvertOptions(
                column_types=types, null_values=[""], true_values=["t"], false_values=["f"],
                strings_can_be_null=True, quoted_strings_can_be_null=False,
            ),
        )  # fmt: skip


class _Stream(io.RawIOBase):
    """What a COPY sends, as a file that Arrow can read; the server sends row by row."""

    def __init__(self, copy: psycopg.Copy) -> None:
        self._copy, self._waiting = copy, bytearray()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._waiting) < size and (some := self._copy.read()):
            self._waiting += some
        taken = bytes(self._waiting[:size])
        del self._waiting[:size]
        return taken
