"""Extracts of read models in a SQLite file.

A column of a whole block of rows leaves SQLite as one text, which Arrow takes apart: a Python object for every cell
would cost more than all the rest. What has no rows to be numbered, a query, comes row by row.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from projections.adapters.extract_columns import Column, columns_of, is_asked_time, named_apart, schema_of
from projections.adapters.read_model_engine import database_url, in_our_words
from projections.extracts import Extract
from projections.read_models import OtherVersionError
from schemas.errors import InputError

BLOCK: Final = 1 << 16
ROWS: Final = 1 << 13
BETWEEN, NULL = "\x1f", "\x1e"
READS: Final = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


class SqliteExtracts:
    """The read models in one file. Raises InputError, OtherVersionError."""

    def __init__(self, url: str) -> None:
        self._url = database_url(url)
        self._path = Path(self._url.database or "")
        if not self._path.exists():
            raise OtherVersionError(f"there are no read models in {self._path}; run prefledger projector run --once")

    @contextmanager
    def table(self, name: str, at: int | None = None) -> Iterator[Extract]:
        """All rows of a read model, now or as it was."""
        columns, condition = columns_of(name, at)
        times = frozenset(column.name for column in columns if column.is_time)
        with self._reading() as connection, ThreadPoolExecutor(1) as ahead:
            blocks = _Blocks(connection, name, columns, condition)
            yield Extract(schema_of(columns), blocks.read(ahead), times)

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
        where = f"file:{quote(str(self._path.absolute()))}?mode=ro"
        try:
            connection = sqlite3.connect(where, uri=True, timeout=60, isolation_level=None, check_same_thread=False)
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


class _Blocks:
    """A table in blocks of row ids, each of them one query; while one is converted the next is being read."""

    def __init__(self, connection: sqlite3.Connection, name: str, columns: Sequence[Column], condition: str) -> None:
        self._connection, self._columns = connection, columns
        self._schema = schema_of(columns)
        self._from = f'FROM "{name}" WHERE rowid BETWEEN ? AND ? AND ({condition})'  # names of ours
        self._bounds = f'SELECT min(rowid), max(rowid) FROM "{name}"'  # noqa: S608
        texts = ", ".join(f"group_concat({_text(column)}, char(31))" for column in columns)
        there = "".join(f", count({column.sql})" for column in columns if column.nullable)
        self._grouped = f"SELECT count(*), {texts}{there} {self._from}"

    def read(self, ahead: ThreadPoolExecutor) -> Iterator[pa.RecordBatch]:
        first, last = self._connection.execute(self._bounds).fetchone()
        if first is None:
            return
        starts = range(first, last + 1, BLOCK)
        coming = ahead.submit(self._block, starts[0])
        for start in starts:
            texts = coming.result()
            if start + BLOCK <= last:
                coming = ahead.submit(self._block, start + BLOCK)
            if texts[0]:
                batch = self._batch(texts)
                yield ahead.submit(self._singly, start).result() if batch is None else batch

    def _block(self, start: int) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self._connection.execute(self._grouped, (start, start + BLOCK - 1)).fetchone()
        return found

    def _batch(self, texts: tuple[Any, ...]) -> pa.RecordBatch | None:
        """The block; None where a cell holds one of our two signs, so that it has to be read row by row."""
        count, many = texts[0], len(self._columns)
        arrays = [_apart(text, column) for text, column in zip(texts[1 : many + 1], self._columns, strict=True)]
        if any(len(array) != count for array in arrays):
            return None
        may_lack = [array for array, column in zip(arrays, self._columns, strict=True) if column.nullable]
        if any(count - array.null_count != there for array, there in zip(may_lack, texts[many + 1 :], strict=True)):
            return None
        return pa.record_batch(arrays, schema=self._schema)

    def _singly(self, start: int) -> pa.RecordBatch:
        selected = ", ".join(column.sql for column in self._columns)
        rows = self._connection.execute(f"SELECT {selected} {self._from}", (start, start + BLOCK - 1))
        return pa.Table.from_batches(list(_rows(rows, self._columns)), self._schema).combine_chunks().to_batches()[0]


def _text(column: Column) -> str:
    return f"ifnull({column.sql}, char(30))" if column.nullable else column.sql


def _apart(text: str, column: Column) -> pa.Array:
    """The cells of a column, as far as none of them holds a sign of ours."""
    cells = pc.split_pattern(pa.scalar(text), BETWEEN).values
    if column.nullable:
        cells = pc.if_else(pc.equal(cells, NULL), None, cells)
    return cells if pa.types.is_string(column.type) else cells.cast(column.type)


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
    if pa.types.is_boolean(of):
        cells = [None if cell is None else bool(cell) for cell in cells]
    elif pa.types.is_string(of):
        cells = [cell if cell is None or isinstance(cell, str) else str(cell) for cell in cells]
    return pa.array(cells, of)
