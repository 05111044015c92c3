"""A turn that only reads, all of it as of one moment; it keeps no projector waiting."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from projections.adapters.extract_columns import columns_of, schema_of
from projections.adapters.read_model_engine import file_of, reached
from projections.adapters.sql_read_models import SqlTurn
from projections.extracts import Extract
from projections.rows.flat import Row


@contextmanager
def reading_turn(url: str) -> Iterator[SqlTurn]:
    """The read models at a URL. Raises UnavailableError, OtherVersionError, NoRightsError."""
    of_one_moment = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if file_of(url) is None else {}
    with reached(url) as engine, engine.execution_options(**of_one_moment).connect() as connection, connection.begin():
        yield SqlTurn(connection)


def extract_of(table: str, batches: Iterable[Sequence[Row]]) -> Extract:
    """Rows made for a table, in the order of its columns, as an extract."""
    columns, _ = columns_of(table, None)
    schema, times = schema_of(columns), frozenset(column.name for column in columns if column.is_time)

    def made(rows: Sequence[Row]) -> pa.RecordBatch:
        cells = zip(zip(*rows, strict=True), schema.types, strict=True)
        return pa.record_batch([pa.array(column, of) for column, of in cells], schema=schema)

    return Extract(schema, (made(rows) for rows in batches if rows), times)
