"""CSV and JSON Lines: a row that may be sent to is written as it stood, byte for byte; a denied one gets two fields.

The denied rows are for people to look at, so their cells that a spreadsheet would run get an apostrophe in front. The
allowed ones go on to whatever sends, which would take the apostrophe for a part of the number.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Final, NamedTuple, Protocol

import orjson

from consumers.cells import incoming, outgoing_lines, outgoing_row
from consumers.importing.readers import DELIMITERS, as_text
from consumers.scrub.rows import Judge, Judged
from schemas.errors import InputError, shown

REASON: Final = "reason"
EVENTS: Final = "events"


class Written(NamedTuple):
    """What a block of rows becomes."""

    allowed: str
    denied: str
    rows_allowed: int
    counts: dict[str, int]


class Lines(Protocol):
    """How the rows of a text are told apart, and how a denied one is written. Goes to other processes."""

    def process(self, block: str, judge: Judge) -> Written:
        """Judges whole rows. Raises InputError where they cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Delimited:
    """CSV. `column`: where the contact stands, from 0; `width`: how many cells a row has."""

    delimiter: str
    column: int
    width: int

    def process(self, block: str, judge: Judge) -> Written:
        """Rows whose cells are not those of the columns are no contacts: nobody knows which cell is the number."""
        plain = '"' not in block and block.count("\r") == block.count("\r\n")
        rows, cells = self._plain(block) if plain else self._quoted(block)
        if "'" in block:
            cells = [incoming(cell) for cell in cells]
        judged = judge.judge(cells)
        shown = self._shown(list(compress(rows, ~judged.allowed)), plain)
        end = "\r" if "\r\n" in block else ""
        apart = self.delimiter
        denied = [
            f"{row}{apart}{reason}{apart}{events}{end}"
            for row, reason, events in zip(shown, judged.reasons, judged.events, strict=True)
        ]
        return _written(rows, denied, judged)

    def _plain(self, block: str) -> tuple[list[str], list[str]]:
        """Rows without quotation marks; a row that does not fit has no contact."""
        column, apart, commas = self.column, self.delimiter, self.width - 1
        rows = [row for row in block.split("\n") if row and row != "\r"]
        if commas == 0:
            cells = [row if apart not in row else "" for row in rows]
        else:
            cells = [row.split(apart, column + 1)[column] if row.count(apart) == commas else "" for row in rows]
        return rows, [cell.rstrip("\r") for cell in cells] if "\r" in block else cells

    def _quoted(self, block: str) -> tuple[list[str], list[str]]:
        rows, cells = [], []
        for row, found in self.records(block):
            if found:
                rows.append(row)
                cells.append(found[self.column] if len(found) == self.width else "")
        return rows, cells

    def records(self, block: str) -> Iterator[tuple[str, list[str]]]:
        """Each row as it stands, without its last line feed, and its cells. Raises InputError."""
        taken: list[str] = []

        def lines() -> Iterator[str]:
            for line in io.StringIO(block, newline=""):
                taken.append(line)
                yield line

        try:
            for cells in csv.reader(lines(), delimiter=self.delimiter, strict=True):
                yield "".join(taken).removesuffix("\n"), cells
                taken.clear()
        except csv.Error as error:
            line = shown("".join(taken[:1]).strip())
            raise InputError(f"the row that begins {line} is no CSV ({error}); mend it and scrub again") from None

    def _shown(self, rows: list[str], plain: bool) -> list[str]:
        """Denied rows as people may open them, without their line ends."""
        bodies = [row.rstrip("\r") for row in rows]
        if not plain:
            return [self._fitted(body) for body in bodies]
        commas = self.width - 1
        harmless = zip(bodies, outgoing_lines(bodies, self.delimiter), strict=True)
        return [line if body.count(self.delimiter) == commas else self._fitted(body) for body, line in harmless]

    def _fitted(self, body: str) -> str:
        """The row with as many cells as there are columns, so that the added ones fall in place."""
        cells = next(csv.reader(io.StringIO(body, newline=""), delimiter=self.delimiter), [])
        cells += [""] * (self.width - len(cells))
        last = self.delimiter.join(cells[self.width - 1 :])
        whole = [incoming(cell) for cell in (*cells[: self.width - 1], last)]
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter).writerow(outgoing_row(whole))  # its own line end: see `outgoing_row`
        return text.getvalue().removesuffix("\r\n")


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object a line, the contact under the key `column`."""

    column: str

    def process(self, block: str, judge: Judge) -> Written:
        """A line that holds no object is no contact."""
        rows = [row for row in block.split("\n") if row.strip()]
        found = [_loaded(row) for row in rows]
        judged = judge.judge([as_text(row.get(self.column)) if row is not None else "" for row in found])
        stopped = ~judged.allowed
        denied = [
            _with(row, loaded, {REASON: reason, EVENTS: events.split()})
            for row, loaded, reason, events in zip(
                compress(rows, stopped), compress(found, stopped), judged.reasons, judged.events, strict=True
            )
        ]
        return _written(rows, denied, judged)


def _loaded(row: str) -> dict[str, object] | None:
    try:
        found = orjson.loads(row)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _with(row: str, loaded: dict[str, object] | None, added: dict[str, object]) -> str:
    """The row with more fields; its own text is kept, since JSON read and written again is other JSON."""
    text = row.rstrip()
    if loaded is None:
        return orjson.dumps({"row": text} | added).decode()
    if added.keys() & loaded.keys():
        return orjson.dumps(loaded | added).decode()
    return f"{text[:-1]}{',' if loaded else ''}{orjson.dumps(added).decode()[1:]}"


def _written(rows: list[str], denied: list[str], judged: Judged) -> Written:
    allowed = list(compress(rows, judged.allowed))
    return Written(_block(allowed), _block(denied), len(allowed), judged.counts)


def _block(rows: list[str]) -> str:
    return "\n".join(rows) + "\n" if rows else ""


class Header(NamedTuple):
    """The first row as it stands (nothing for a bare list), that of the denied, and how the rows are read."""

    text: str
    denied: str
    lines: Lines


def header(first: str, column: str) -> Header:
    """What the first record of a CSV says: the delimiter is the one that makes the most columns of it.

    A single number or address in it is no header but the first row of a bare list. Raises InputError where there is
    no such column.
    """
    row, cells, delimiter = max(_parted(first), key=lambda found: len(found[1]))
    names = [incoming(cell).strip() for cell in cells]
    if len(names) == 1 and (sum(map(str.isdigit, names[0])) >= 5 or "@" in names[0]):
        return Header("", "", Delimited(delimiter, 0, 1))
    places = [place for place, name in enumerate(names) if name.casefold() == column.casefold()]
    if len(places) != 1:
        what = "no" if not places else "more than one"
        raise InputError(f"the file has {what} column {shown(column)}; it has {shown(', '.join(names), 200)}")
    body = row.rstrip("\r")
    added = delimiter.join(_free(name, names) for name in (REASON, EVENTS))
    end = row[len(body) :] + "\n"
    return Header(row + "\n", f"{body}{delimiter}{added}{end}", Delimited(delimiter, places[0], len(names)))


def _parted(first: str) -> list[tuple[str, list[str], str]]:
    """The first record as each delimiter parts it. Raises InputError where none does."""
    found = []
    for delimiter in DELIMITERS:
        try:
            row, cells = next(Delimited(delimiter, 0, 0).records(first), (first, [""]))
            found.append((row, cells, delimiter))
        except InputError as error:
            wrong = error
    if not found:
        raise wrong
    return found


def _free(name: str, names: list[str]) -> str:
    return name if name not in names else next(f"{name}_{n}" for n in range(2, 999) if f"{name}_{n}" not in names)
