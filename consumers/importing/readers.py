"""A file as rows with their line numbers: one small reader for each format, all of them streaming.

What a reader cannot make out as a row comes as a row with `trouble`, so that it is reported and can be mended. What
it cannot get past (an unclosed quote, a damaged file) is an InputError; the first pass meets it before anything is
written.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import ijson
import orjson

from consumers.cells import incoming
from consumers.importing.source import Source
from schemas.errors import InputError, shown
from schemas.number import WRITTEN

RESERVED: Final = ("reject_line", "reject_reason", "reject_text")
DELIMITERS: Final = ",;\t"
PARQUET_BATCH: Final = 8_192


class Row(NamedTuple):
    """A row in the order of the columns. `trouble`: why it is none; its one cell is then the text as it stood."""

    line: int
    cells: Sequence[str]
    trouble: str | None = None


class Reader(Protocol):
    """Rows of one file; can be asked for them more than once."""

    place: str
    """What a row's number counts: `line`, `element`, `row`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; their positions from 1 where the file names none. Raises InputError."""
        ...

    def rows(self) -> Iterator[Row]:
        """The rows, in the file's order. Raises InputError where the file cannot be read on."""
        ...


def reader(source: Source, header: bool) -> Reader:
    """The reader for a file. Raises InputError where it is not what it seems."""
    match source.format:
        case "csv":
            return CsvReader(source, header)
        case "jsonl":
            return JsonLinesReader(source)
        case "json":
            return JsonListReader(source)
        case "parquet":
            return ParquetReader(source)


class CsvReader:
    """CSV with `,`, `;` or tab: the one that makes the most columns of the first line."""

    place = "line"

    def __init__(self, source: Source, header: bool) -> None:
        self._source = source
        first, self._delimiter = max(
            ((self._first(delimiter), delimiter) for delimiter in DELIMITERS), key=lambda found: len(found[0])
        )
        has_header = tuple(first[-len(RESERVED) :]) == RESERVED or (header and not _is_bare(first))
        self._skipped = 1 if has_header else 0
        self.columns = tuple((has_header and name.strip()) or str(position) for position, name in enumerate(first, 1))

    def _first(self, delimiter: str) -> list[str]:
        """The first line as this delimiter parts it; nothing where it cannot be the one."""
        self._delimiter = delimiter
        try:
            return next(([incoming(cell) for cell in cells] for _, cells in self._records() if any(cells)), [])
        except InputError:
            return []

    def rows(self) -> Iterator[Row]:
        width, ahead = len(self.columns), self._skipped
        for line, cells in self._records():
            if not any(cells):
                continue
            if ahead:
                ahead -= 1
            elif len(cells) == width:
                yield Row(line, [incoming(cell) if cell[:1] == "'" else cell for cell in cells])
            else:
                text = self._delimiter.join(cells)
                yield Row(line, [text], f"it has {len(cells)} cells and the file {width} columns: {shown(text)}")

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        # Closed here, not whenever the error that ends the reading is forgotten.
        with closing(self._source.lines()) as lines:
            records = csv.reader(lines, delimiter=self._delimiter, strict=True)
            line = 1
            try:
                for cells in records:
                    yield line, cells
                    line = records.line_num + 1
            except csv.Error as error:
                raise InputError(
                    f"line {line}: {_explained(str(error))}. Mend that line and import again; nothing was recorded"
                ) from None


def _explained(error: str) -> str:
    if "unexpected end" in error:
        return "a quotation mark is opened and never closed"
    if "expected after" in error:
        return "a quoted cell goes on after its closing quotation mark (a quotation mark inside is written twice)"
    if "field limit" in error:
        return "a cell is longer than 131,072 characters (is a quotation mark not closed?)"
    return f"this is no CSV ({error})"


def _is_bare(first: Sequence[str]) -> bool:
    """A single cell of digits and their punctuation: no header, but the first number of a bare list."""
    return len(first) == 1 and sum(map(str.isdigit, first[0])) >= 5 and WRITTEN.fullmatch(first[0]) is not None


class JsonLinesReader:
    """One JSON object a line; the columns are all keys of all lines, in the order in which they appear."""

    place = "line"

    def __init__(self, source: Source) -> None:
        self._source = source
        keys: dict[str, None] = {}
        for _, _, found in self._records():
            if isinstance(found, dict):
                keys.update(dict.fromkeys(found))
            if len(keys) > 1_000:
                raise InputError("the lines have more than 1,000 different keys; is this a list?")
        if not keys:
            raise InputError('no line holds a JSON object such as {"number": "+14165550123"}; nothing was recorded')
        self.columns = tuple(keys)

    def rows(self) -> Iterator[Row]:
        columns = self.columns
        for line, text, found in self._records():
            if isinstance(found, dict):
                yield Row(line, [as_text(found.get(column)) for column in columns])
            else:
                what = found if isinstance(found, str) else f"it is {KINDS[type(found)]}, not an object"
                yield Row(line, [text], f"{what}: {shown(text)}")

    def _records(self) -> Iterator[tuple[int, str, Any]]:
        for line, raw in enumerate(self._source.lines(), 1):
            text = raw.strip()
            if text:
                yield line, text, _loaded(text)


def _loaded(text: str) -> object:
    """The value of a line; for one that is no JSON, or a text alone, what is wrong with it."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"it is no JSON ({error.msg.partition(':')[0]})"
    return "it is a text, not an object" if isinstance(found, str) else found


KINDS: Final[dict[type, str]] = {
    list: "a list", int: "a number", float: "a number", bool: "true or false", type(None): "null"
}  # fmt: skip


class JsonListReader:
    """A JSON list of bare numbers. Read event by event: what is nested in it takes no memory."""

    place = "element"
    columns = ("1",)

    def __init__(self, source: Source) -> None:
        self._source = source
        for _ in self.rows():
            pass

    def rows(self) -> Iterator[Row]:
        depth = element = 0
        for event, value in self._events():
            closes = event.startswith("end_")
            depth -= closes
            if depth == 1 and not closes:
                element += 1
                yield self._row(element, event, value)
            depth += event.startswith("start_")
            if depth == 0:
                return

    def _row(self, element: int, event: str, value: object) -> Row:
        if event in ("string", "number"):
            return Row(element, [as_text(value)])
        what = {"start_map": "an object", "start_array": "a list"}.get(event, "null, true or false")
        return Row(element, [what], f"it is {what}; a JSON list holds bare numbers, objects go one a line (JSON Lines)")

    def _events(self) -> Iterator[tuple[str, Any]]:
        with self._source.path.open(encoding=self._source.encoding, newline="") as text:
            try:
                yield from ijson.basic_parse(_Encoded(text), use_float=True)
            except (ijson.JSONError, ValueError, OverflowError) as error:
                raise InputError(f"this is no JSON list: {shown(error)}. Nothing was recorded") from None


class _Encoded:
    """A text file as UTF-8 bytes, for a parser that takes nothing else."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text

    def read(self, size: int = -1) -> bytes:
        return self._text.read(size).encode()


class ParquetReader:
    """Parquet in batches; cells as their texts, times in RFC 3339."""

    place = "row"

    def __init__(self, source: Source) -> None:
        import pyarrow.parquet

        self._source = source
        with _sound():
            self.columns = tuple(pyarrow.parquet.read_schema(source.path).names)

    def rows(self) -> Iterator[Row]:
        import pyarrow.parquet

        row = 0
        with _sound(), pyarrow.parquet.ParquetFile(self._source.path) as file:
            for batch in file.iter_batches(PARQUET_BATCH):
                columns = [[as_text(value) for value in column.to_pylist()] for column in batch.columns]
                for row, cells in enumerate(zip(*columns, strict=True), row + 1):  # noqa: B020
                    yield Row(row, cells)


@contextmanager
def _sound() -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"this Parquet file is damaged: {why}. Nothing was recorded") from None


def as_text(value: object) -> str:
    """A typed cell as the text that a CSV would hold: whole numbers without a point, times in RFC 3339."""
    match value:
        case str():
            return value
        case None:
            return ""
        case float() if math.isfinite(value) and value == int(value) and abs(value) < 2**53:
            return str(int(value))
        case datetime():
            return value.isoformat()
        case dict() | list():
            return orjson.dumps(value, default=str).decode()
    return str(value)
