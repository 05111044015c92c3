"""Rows as Arrow's own drivers (ADBC) give them: columns in the database's own types, made outside of Python.

The next batch is read in a thread of its own while the last one is written, and one only, so memory is bounded.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pyarrow as pa
from adbc_driver_manager._reader import AdbcRecordBatchReader  # the public one loses the SQLSTATE of what ends a stream
from adbc_driver_manager.dbapi import Cursor, Error, NotSupportedError

Batches = Iterator[pa.RecordBatch]


@contextmanager
def batches_of(cursor: Cursor, sql: str) -> Iterator[Batches]:
    """The rows of a statement, which is cancelled where the block ends before they do.

    Raises `Error`, also in between.
    """
    cursor.execute(sql)
    stream = cursor.fetch_arrow()
    with _ahead(cursor.adbc_cancel) as ahead:
        yield ahead(iter(AdbcRecordBatchReader._import_from_c(stream.address)))


@contextmanager
def _ahead(cancel: Callable[[], None]) -> Iterator[Callable[[Batches], Batches]]:
    """Who wants no more rows does not wait for a sort of a billion: the read that is under way is cancelled."""
    thread = ThreadPoolExecutor(1)

    def ahead(batches: Batches) -> Batches:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch

    try:
        yield ahead
    finally:
        with suppress(NotSupportedError):  # SQLite's cannot, and a block of a table is soon there
            cancel()
        thread.shutdown()


def said(error: Error) -> str:
    """What the database said, without the statement, which a driver repeats."""
    return " ".join(str(error).partition("\nQuery was:")[0].split())
