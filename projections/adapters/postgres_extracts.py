"""Extracts of read models in PostgreSQL: Arrow's own driver, to which the server sends COPY in its binary form.

Binary says of each cell whether it is null or an empty text, and nothing is written out in digits and read again. The
transaction is read-only and of one moment. An analyst's role, which sees no tables, gets the views of the same names.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions

from projections.adapters.arrow_reading import batches_of, said
from projections.adapters.extract_columns import at_time, checked, is_asked_time, named_apart
from projections.adapters.read_model_engine import LIVE, conninfo_of, database_url, in_our_words
from projections.extracts import AS_OF, Extract
from projections.sharing import is_time
from schemas.errors import InputError

SEARCHED: Final = f"{LIVE},analysis"
ONE_MOMENT: Final = {"default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on"}
BLOCK: Final = 1 << 23
"""Bytes of a batch: few enough that three of them are little, enough rows for a group of a Parquet file."""
UTC_TIME: Final = pa.timestamp("us", "UTC")
TYPES: Final = {
    "bool": pa.bool_(), "int2": pa.int64(), "int4": pa.int64(), "int8": pa.int64(), "float8": pa.float64(),
    "text": pa.string(), "varchar": pa.string(), "bpchar": pa.string(), "date": pa.date32(),
    "timestamp": pa.timestamp("us"), "timestamptz": UTC_TIME,
}  # fmt: skip
"""What comes as it is."""
AS_DOUBLE: Final = {"numeric": "::float8", "float4": "::text::float8"}
"""Other numbers, and how the server makes doubles of them; whatever else there is it writes as text."""
OF_THE_QUERY: Final = ("42", "22", "25006", "57014", "0A")
"""SQLSTATEs of a query that is wrong, that writes, or that took longer than its role may."""
NO_RIGHTS: Final = "42501"


class PostgresExtracts:
    """The read models in one database. Raises InputError."""

    def __init__(self, url: str) -> None:
        self._url = database_url(url)
        self._conninfo = conninfo_of(url, SEARCHED, ONE_MOMENT)

    @contextmanager
    def table(self, name: str, at: int | None = None) -> Iterator[Extract]:
        """All rows of a read model, now or as it was."""
        checked(name, at)
        with self._reading() as cursor:
            kinds = _described(cursor, f'SELECT * FROM "{name}"')  # noqa: S608  # a name of ours
            sql, left = _selected(name, at, kinds)
            schema = _schema(left)
            times = frozenset(field.name for field in schema if field.type == pa.int64() and is_time(field.name))
            with batches_of(cursor, _in_types(sql, left)) as batches:
                yield Extract(schema, (batch.cast(schema) for batch in batches), times)

    @contextmanager
    def query(self, sql: str) -> Iterator[Extract]:
        """The rows of a query, which PostgreSQL itself takes for one statement that reads."""
        sql = sql.strip().rstrip(";")
        with self._reading() as cursor:
            try:
                kinds = _described(cursor, sql)
                schema = _schema(kinds)
                times = frozenset(
                    field.name for field in schema if field.type == pa.int64() and is_asked_time(field.name)
                )
                with batches_of(cursor, _in_types(sql, kinds)) as batches:
                    yield Extract(schema, (batch.cast(schema) for batch in batches), times)
            except adbc.Error as error:
                state = error.sqlstate or ""
                if state.startswith(OF_THE_QUERY) and state != NO_RIGHTS:
                    raise InputError(
                        f"this query cannot be answered ({said(error)}); a query reads, and is one statement"
                    ) from None
                raise

    def close(self) -> None:
        """There is nothing to let go of: each extract has a connection of its own."""

    @contextmanager
    def _reading(self) -> Iterator[adbc.Cursor]:
        """A cursor in a transaction that ends with the block."""
        try:
            with adbc.connect(self._conninfo) as connection, connection.cursor() as cursor:
                cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BLOCK)})
                yield cursor
        except adbc.Error as error:
            raise in_our_words(self._url, error) from error


def _described(cursor: adbc.Cursor, sql: str) -> dict[str, str]:
    """The columns of one statement, with PostgreSQL's names of their types. It is prepared and not run, and prepared it
    can be no more than one. Raises InputError, adbc.Error.
    """
    found = cursor.adbc_execute_schema(sql) if sql else pa.schema([])
    names = named_apart(found.names)
    kinds = {
        name: (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
        for name, field in zip(names, found, strict=True)
    }
    for name, kind in kinds.items():
        if kind == "bytea":
            raise InputError(f"the column {name} holds bytes, which not every format has; select encode({name}, 'hex')")
    return kinds


def _schema(kinds: Mapping[str, str]) -> pa.Schema:
    others = {kind: pa.float64() for kind in AS_DOUBLE}
    return pa.schema([(name, (TYPES | others).get(kind, pa.string())) for name, kind in kinds.items()])


def _in_types(sql: str, kinds: Mapping[str, str]) -> str:
    """The query, its columns in types that files have."""
    if all(kind in TYPES for kind in kinds.values()):
        return f"{sql}\n"  # which may end in a comment
    columns = ((_quoted(name), "" if kind in TYPES else AS_DOUBLE.get(kind, "::text")) for name, kind in kinds.items())
    return f"SELECT {', '.join(f'{name}{cast} AS {name}' for name, cast in columns)} FROM (\n{sql}\n) AS asked"  # noqa: S608


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _selected(name: str, at: int | None, kinds: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """What is selected of a read model, and the columns that this has."""
    if at is None:
        return f'SELECT * FROM "{name}"', kinds  # noqa: S608
    as_of = AS_OF[name]
    literal = "to_timestamp({} / 1000.0)" if "timestamptz" in kinds.values() else "{}"
    left = {column: kind for column, kind in kinds.items() if column not in as_of.without}
    selected = ", ".join(
        f'{at_time(as_of.columns[column], at, literal)} AS "{column}"' if column in as_of.columns else f'"{column}"'
        for column in left
    )
    return f'SELECT {selected} FROM "{name}" WHERE {at_time(as_of.rows, at, literal)}', left  # noqa: S608
