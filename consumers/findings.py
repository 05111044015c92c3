"""What an audit found, as a file: CSV, JSON Lines or Parquet, by its ending; one row a finding.

A file is written also where nothing was found, with the names of its columns: an empty list says that somebody looked.
It appears only when it is whole, so that a list that was cut short is never taken for all there is.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from consumers.cells import outgoing
from consumers.outputs import complete
from schemas.errors import InputError, shown

Line = Mapping[str, Any]
"""A finding as a command prints it with `--json`; times as RFC 3339."""

Columns = Mapping[str, type]
"""The columns in their order, and what each holds: str, int, float, bool, datetime, or list (of texts)."""

Add = Callable[[Line], None]

BATCH: Final = 8_192


@contextmanager
def export(path: Path | None, columns: Columns) -> Iterator[Add]:
    """Where to put findings, one after the other; `path` becomes the file when the block has ended well.

    Of a finding the columns are written and nothing else; without a path nothing is. Raises InputError for an ending
    that names no format (at once, before anybody has looked for anything), NoRoomError, UnavailableError.
    """
    if path is None:
        yield _nowhere
        return
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{shown(path)} must end in {', '.join(WRITERS)}, which says what format it gets")
    with complete(path) as draft, writer(draft, columns) as add:
        yield add


def _nowhere(_line: Line) -> None:
    """Nobody asked for a file."""


@contextmanager
def _csv(path: Path, columns: Columns) -> Iterator[Add]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([outgoing(name) for name in columns])
        yield lambda line: writer.writerow([outgoing(_cell(line.get(name))) for name in columns])


def _cell(value: object) -> str:
    """As JSON has it, but for texts, which stand as they are, and lists, whose texts a space parts."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list() | tuple():
            return " ".join(map(str, value))
    return orjson.dumps(value).decode()


@contextmanager
def _json_lines(path: Path, columns: Columns) -> Iterator[Add]:
    with path.open("wb") as file:

        def add(line: Line) -> None:
            file.write(orjson.dumps({name: line.get(name) for name in columns}, option=orjson.OPT_APPEND_NEWLINE))

        yield add


@contextmanager
def _parquet(path: Path, columns: Columns) -> Iterator[Add]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(),
        datetime: pa.timestamp("ms", tz="UTC"), list: pa.list_(pa.string()),
    }  # fmt: skip
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    waiting: list[dict[str, object]] = []
    with pq.ParquetWriter(path, schema) as writer:

        def add(line: Line) -> None:
            waiting.append({name: _typed(line.get(name), kind) for name, kind in columns.items()})
            if len(waiting) >= BATCH:
                write()

        def write() -> None:
            writer.write_batch(pa.RecordBatch.from_pylist(waiting, schema=schema))
            waiting.clear()

        yield add
        write()


def _typed(value: Any, kind: type) -> object:  # noqa: ANN401  # whatever a finding holds
    return datetime.fromisoformat(value) if kind is datetime and value is not None else value


WRITERS: Final[dict[str, Callable[[Path, Columns], AbstractContextManager[Add]]]] = {
    ".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet,
}  # fmt: skip
