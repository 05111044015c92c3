"""A CSV or JSON Lines file in blocks of whole rows."""

import codecs
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TextIO

from consumers.importing.source import Source
from consumers.scrub.text import Header, JsonLines, header
from consumers.scrub.wanted import Result
from consumers.scrub.workers import Judges
from schemas.errors import InputError

BLOCK: Final = 1 << 21  # characters
LONGEST: Final = 1 << 24  # of a row
QUOTE: Final = '"'


class TextList:
    """A text; its rows come out in its own encoding."""

    def __init__(self, source: Source, column: str) -> None:
        """Raises InputError where there is no such column."""
        self._source = source
        is_csv = source.format == "csv"
        self._header = header(self._first(), column) if is_csv else Header("", "", JsonLines(column))
        self._quotes = is_csv

    def scrub(self, judges: Judges, allowed: Path, denied: Path | None, result: Result) -> None:
        """Writes the rows that may be sent to, and those that may not."""
        with ExitStack() as stack:
            out = stack.enter_context(self._new(allowed))
            stopped = None if denied is None else stack.enter_context(self._new(denied))
            out.write(self._header.text)
            if stopped is not None:
                stopped.write(self._header.denied)
            pool = stack.enter_context(judges.pool(self._header.lines.process))
            for written in pool.map(self._blocks()):
                out.write(written.allowed)
                if stopped is not None:
                    stopped.write(written.denied)
                result.add(written.rows_allowed, written.counts)

    def _new(self, path: Path) -> TextIO:
        return path.open("w", encoding=self._encoding(), newline="")

    def _encoding(self) -> str:
        """As the source has it; its mark at the beginning only where it had one."""
        if self._source.encoding != "utf-8-sig":
            return self._source.encoding
        with self._source.path.open("rb") as file:
            return "utf-8-sig" if file.read(3) == codecs.BOM_UTF8 else "utf-8"

    def _first(self) -> str:
        """The first record that is not empty. A quotation mark may be closed in a later line."""
        first = ""
        for line in self._source.lines():
            first += line
            if first.strip() and first.count(QUOTE) % 2 == 0:
                break
        return first.lstrip("\r\n").removesuffix("\n")

    def _blocks(self) -> Iterator[str]:
        """The rows after the header, cut where a row ends: at a line end that lies in no quotation marks.

        Where that is unclear (a lone quotation mark in a cell) it is cut at any line end: the reader of the block then
        finds a row that is not closed, and the file is refused rather than read wrongly.
        """
        with self._source.path.open(encoding=self._source.encoding, newline="") as text:
            rest, header = "", self._header.text
            while block := text.read(BLOCK):
                rest += block
                if header:
                    rest, header = rest.lstrip("\r\n")[len(header) - 1 :].removeprefix("\n"), ""
                end = self._cut(rest)
                if end:
                    yield rest[:end]
                    rest = rest[end:]
                elif len(rest) > LONGEST:
                    raise InputError(f"there is a row of more than {LONGEST:,} characters; is a quotation mark open?")
            if rest:
                yield rest

    def _cut(self, text: str) -> int:
        end = text.rfind("\n") + 1
        if not self._quotes:
            return end
        quotes = text.count(QUOTE, 0, end)
        while end and quotes % 2:
            before = text.rfind("\n", 0, end - 1) + 1
            quotes -= text.count(QUOTE, before, end)
            end = before
        return end or (text.rfind("\n") + 1 if len(text) > LONGEST else 0)
