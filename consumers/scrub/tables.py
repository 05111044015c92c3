"""Parquet: batches of rows in, the same columns out; the denied ones with two more."""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from consumers.scrub.rows import judge_texts
from consumers.scrub.text import EVENTS, REASON
from consumers.scrub.wanted import Result
from consumers.scrub.workers import Judges
from schemas.errors import InputError, shown

ROWS = 1 << 16


class ParquetList:
    """A Parquet file; `column` holds the contact, as text or as whole numbers."""

    def __init__(self, path: Path, column: str) -> None:
        """Raises InputError where the file cannot be read or has no such column."""
        with _sound():
            self._schema = pq.read_schema(path)
            self._file = pq.ParquetFile(path)
        names = self._schema.names
        places = [place for place, name in enumerate(names) if name.casefold() == column.casefold()]
        if len(places) != 1:
            self._file.close()
            what = "no" if not places else "more than one"
            raise InputError(f"the file has {what} column {shown(column)}; it has {shown(', '.join(names), 200)}")
        self._column = places[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def scrub(self, judges: Judges, allowed: Path, denied: Path | None, result: Result) -> None:
        """Writes the rows that may be sent to, and those that may not."""
        waiting: deque[pa.RecordBatch] = deque()
        kept = [place for place, name in enumerate(self._schema.names) if name not in (REASON, EVENTS)]
        fields = [self._schema.field(place) for place in kept]
        with_reason = pa.schema([*fields, (REASON, pa.string()), (EVENTS, pa.string())])
        with ExitStack() as stack:
            out = stack.enter_context(pq.ParquetWriter(allowed, self._schema))
            stopped = None if denied is None else stack.enter_context(_writer(denied, with_reason))
            pool = stack.enter_context(judges.pool(judge_texts))
            for judged in pool.map(self._texts(waiting)):
                batch = waiting.popleft()
                out.write_batch(batch.filter(pa.array(judged.allowed)))
                if stopped is not None:
                    columns = batch.filter(pa.array(~judged.allowed)).select(kept).columns
                    added = [pa.array(judged.reasons, pa.string()), pa.array(judged.events, pa.string())]
                    stopped.write_batch(pa.record_batch([*columns, *added], schema=with_reason))
                result.add(int(judged.allowed.sum()), judged.counts)

    def _texts(self, waiting: deque[pa.RecordBatch]) -> Iterator[list[str]]:
        with _sound():
            for batch in self._file.iter_batches(ROWS):
                waiting.append(batch)
                column = batch.column(self._column)
                if not pa.types.is_string(column.type):
                    column = column.cast(pa.string())
                yield column.fill_null("").to_pylist()


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Event ids are all different: a dictionary of them would only cost time."""
    return pq.ParquetWriter(path, schema, use_dictionary=[name for name in schema.names if name != EVENTS])


@contextmanager
def _sound() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"this Parquet file cannot be read: {why}. Nothing was written") from None
