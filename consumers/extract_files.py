"""Rows of an extract as a file: Parquet, Arrow, CSV or JSON Lines, by its ending; a batch at a time, whole or not.

Times are times: timestamps of UTC in Parquet and Arrow, RFC 3339 in CSV and JSON Lines. Who wants the whole numbers of
the tables says so.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from consumers.cells import FORMULA, outgoing
from consumers.outputs import complete
from projections.extracts import Extract
from schemas.errors import InputError, shown

Write = Callable[[pa.RecordBatch], None]
Told = Callable[[int], None]

RUNS: Final = f"^'*[{FORMULA}]"
TIME: Final = pa.timestamp("ms", "UTC")
OBJECTS: Final = 4_096
"""Rows that are objects of Python at one time: a cell takes several times its bytes then."""


def write(extract: Extract, path: Path, milliseconds: bool = False, tell: Told = lambda _rows: None) -> int:
    """Writes all rows and returns how many they were; `tell` hears of each batch.

    `milliseconds`: times stay the whole numbers that they are in the tables. Raises InputError for an ending that names
    no format, NoRoomError, UnavailableError.
    """
    writer, rows = writer_for(path), 0
    schema = extract.schema if milliseconds else _with_times(extract)
    with complete(path) as draft, writer(draft, schema) as add:
        for batch in extract.batches:
            add(batch.cast(schema))
            rows += batch.num_rows
            tell(batch.num_rows)
    return rows


def writer_for(path: Path) -> "Writer":
    """What writes files of this ending. Raises InputError."""
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{shown(path)} must end in {', '.join(WRITERS)}, which says what format it gets")
    return writer


def _with_times(extract: Extract) -> pa.Schema:
    return pa.schema([field.with_type(TIME) if field.name in extract.times else field for field in extract.schema])


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[Write]:
    writer: pq.ParquetWriter | None = None

    def add(batch: pa.RecordBatch) -> None:
        nonlocal writer
        if writer is None:
            writer = pq.ParquetWriter(path, schema, use_dictionary=_repetitive(batch))
        writer.write_batch(batch)

    try:
        yield add
    finally:
        (writer or pq.ParquetWriter(path, schema)).close()


def _repetitive(batch: pa.RecordBatch) -> list[str]:
    """The columns that a dictionary makes smaller: of ids that are all different it would only cost time."""
    texts = [name for name, of in zip(batch.schema.names, batch.schema.types, strict=True) if pa.types.is_string(of)]
    return [name for name in texts if pc.count_distinct(batch.column(name)).as_py() * 2 < batch.num_rows]


@contextmanager
def _arrow(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with pa.ipc.new_file(path, schema) as writer:
        yield writer.write_batch


@contextmanager
def _csv(path: Path, schema: pa.Schema) -> Iterator[Write]:
    """Texts are in quotation marks, and nothing is not: so an empty text can be told from none."""
    written = pa.schema([(outgoing(name), _in_text(of)) for name, of in zip(schema.names, schema.types, strict=True)])
    with pyarrow.csv.CSVWriter(path, written) as writer:

        def add(batch: pa.RecordBatch) -> None:
            columns = [_harmless(_as_text(column)) for column in batch.columns]
            writer.write_batch(pa.record_batch(columns, schema=written))

        yield add


@contextmanager
def _json_lines(path: Path, schema: pa.Schema) -> Iterator[Write]:
    with path.open("wb") as file:

        def add(batch: pa.RecordBatch) -> None:
            columns = [_as_text(column) for column in batch.columns]
            whole = pa.record_batch(columns, names=schema.names)
            for start in range(0, whole.num_rows, OBJECTS):
                rows = whole.slice(start, OBJECTS).to_pylist()
                file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)

        yield add


def _in_text(of: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_timestamp(of) else of


def _as_text(column: pa.Array) -> pa.Array:
    """Times in RFC 3339, to the millisecond; anything else as it is."""
    if not pa.types.is_timestamp(column.type):
        return column
    texts = column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.string())
    return pc.utf8_replace_slice(texts, 10, 11, "T")


def _harmless(column: pa.Array) -> pa.Array:
    """No cell that a spreadsheet would run, as `consumers.cells.outgoing` writes it."""
    if not pa.types.is_string(column.type):
        return column
    runs = pc.match_substring_regex(column, RUNS)
    if not pc.any(runs).as_py():
        return column
    return pc.if_else(runs, pc.binary_join_element_wise("'", column, ""), column)


Writer = Callable[[Path, pa.Schema], AbstractContextManager[Write]]
WRITERS: Final[dict[str, Writer]] = {".parquet": _parquet, ".arrow": _arrow, ".csv": _csv, ".jsonl": _json_lines}
