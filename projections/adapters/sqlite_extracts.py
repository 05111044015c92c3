"""Extracts of read models in a SQLite file.

A table comes through Arrow's own driver, which makes columns of rows without a Python object for any cell. A query
comes row by row through Python's, which alone can keep it from doing more than read.

The two drivers bring a SQLite each, and a process that closes a file gives up all of its locks on it, also those that
another SQLite in it holds. So none but Arrow's has the file open while a table is read: of all commands only `export`
reads one, and it reads nothing else then.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa
from adbc_driver_sqlite import StatementOptions

from projections.adapters.arrow_reading import Batches, batches_of
from projections.adapters.extract_columns import Column, columns_of, is_asked_time, named_apart, schema_of
from projections.adapters.read_model_engine import database_url, in_our_words
from projections.extracts import Extract
from projections.read_models import OtherVersionError
from schemas.errors import InputError

BLOCK: Final = 1 << 16
ROWS: Final = 1 << 13
WAIT_S: Final = 60
CELL: Final = {pa.int64(): "0", pa.bool_(): "0", pa.string(): "''"}
READS: Final = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


class SqliteExtracts:
    """The read models in one file. Raises InputError, OtherVersionError."""

    def __init__(self, url: str) -> None:
        self._url = database_url(url)
        self._path = Path(self._url.database or "")
        if not self._path.exists():
            raise OtherVersionError(f"there are no read models in {self._path}; run prefledger projector run --once")
        self._file = f"file:{quote(str(self._path.absolute()))}?mode=ro"

    @contextmanager
    def table(self, name: str, at: int | None = None) -> Iterator[Extract]:
        """All rows of a read model, now or as it was."""
        columns, condition = columns_of(name, at)
        times, schema = frozenset(column.name for column in columns if column.is_time), schema_of(columns)
        try:
            with adbc.connect(self._file) as connection, connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {WAIT_S * 1000}")
                cursor.adbc_statement.set_options(**{StatementOptions.BATCH_ROWS.value: str(BLOCK)})
                with batches_of(cursor, _all_of(name, columns, condition)) as batches:
                    yield Extract(schema, _typed_batches(batches, schema), times)
        except adbc.Error as error:
            raise in_our_words(self._url, error) from error

    @contextmanager
    def query(self, sql: str) -> Iterator[Extract]:
        """The rows of a query, which runs twice: first for the types of its columns, since each cell has its own."""
        sql = sql.strip().rstrip(";")
        with self._reading() as connection:
            connection.set_authorizer(_only_reads)
            try:
                answer = connection.execute(sql)
                columns = _columns(connection, sql, [entry[0] for entry in answer.description or ()])
                times = frozenset(column.name for column in columns if column.is_time)
                yield Extract(schema_of(columns), _rows(answer, columns), times)
            except sqlite3.Error as error:
                raise InputError(
                    f"this query cannot be answered ({error}); a query reads, and is one statement"
                ) from None

    def close(self) -> None:
        """There is nothing to let go of: each extract has a connection of its own."""

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection on which all that is read is of one moment."""
        try:
            connection = sqlite3.connect(self._file, uri=True, timeout=WAIT_S, isolation_level=None)
        except sqlite3.Error as error:
            raise in_our_words(self._url, error) from error
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise in_our_words(self._url, error) from error
        finally:
            connection.close()


def _only_reads(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in READS else sqlite3.SQLITE_DENY


def _all_of(name: str, columns: Sequence[Column], condition: str) -> str:
    """All rows of a table, after one of ours with a cell of its type in each column.

    Arrow's driver takes the types from the first rows that it sees, and in those a column may be empty.
    """
    typed = ", ".join(f'{CELL[column.type]} AS "{column.name}"' for column in columns)
    selected = ", ".join(column.sql for column in columns)
    return f'SELECT {typed} UNION ALL SELECT {selected} FROM "{name}" WHERE {condition}'  # noqa: S608  # names of ours


def _typed_batches(batches: Batches, schema: pa.Schema) -> Batches:
    ours = 1
    for batch in batches:
        if batch.num_rows > ours:
            yield batch.slice(ours).cast(schema)
        ours = 0


def _columns(connection: sqlite3.Connection, sql: str, names: list[str]) -> list[Column]:
    """The columns of a query with the types that their cells have. Raises InputError for bytes."""
    names = named_apart(names)
    kinds = ", ".join(f'typeof("{name.replace(chr(34), chr(34) * 2)}")' for name in names)
    found: list[set[str]] = [set() for _ in names]
    for row in connection.execute(f"SELECT DISTINCT {kinds} FROM (\n{sql}\n)"):  # noqa: S608  # which may only read
        for kind, seen in zip(row, found, strict=True):
            seen.add(kind)
    return [_column(name, seen - {"null"}) for name, seen in zip(names, found, strict=True)]


def _column(name: str, kinds: set[str]) -> Column:
    if "blob" in kinds:
        raise InputError(f"the column {name} holds bytes, which not every format has; select hex({name})")
    if not kinds or "text" in kinds:
        return Column(name, name, pa.string(), True, False)
    of = pa.int64() if kinds == {"integer"} else pa.float64()
    return Column(name, name, of, True, of == pa.int64() and is_asked_time(name))


def _rows(cursor: sqlite3.Cursor, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    schema = schema_of(columns)
    while rows := cursor.fetchmany(ROWS):
        cells = [_typed(cells, column.type) for cells, column in zip(zip(*rows, strict=True), columns, strict=True)]
        yield pa.record_batch(cells, schema=schema)


def _typed(cells: Sequence[object], of: pa.DataType) -> pa.Array:
    if pa.types.is_string(of):
        cells = [cell if cell is None or isinstance(cell, str) else str(cell) for cell in cells]
    return pa.array(cells, of)
