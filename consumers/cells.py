"""Cells of a CSV that a spreadsheet would run as a formula: every export writes them with an apostrophe in front.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and every E.164 number begins with
`+`. An apostrophe before such a character says *text*; on the way back in exactly one is taken off again. A text
that has apostrophes there by itself gets one more, so that every string comes back as it went out.
"""

import re
from collections.abc import Iterable, Sequence

FORMULA = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # and their full-width forms, which spreadsheets read alike
MARKS = "=+-@\t\uff1d\uff0b\uff0d\uff20"  # of these, those that can begin a cell without quotation marks
RUNS = re.compile(f"'*[{FORMULA}]")
ESCAPED = re.compile(f"'+[{FORMULA}]")


def outgoing(text: str) -> str:
    """A cell as it is exported: not run by a spreadsheet."""
    return f"'{text}" if RUNS.match(text) else text


def incoming(text: str) -> str:
    """The text behind a cell of a CSV; the inverse of `outgoing`."""
    return text[1:] if text[:1] == "'" and ESCAPED.match(text) else text


def outgoing_lines(lines: Sequence[str], delimiter: str) -> list[str]:
    """Lines of cells without quotation marks and line ends in them, so that none is run; all at once, for millions."""
    text = "\n" + "\n".join(lines)
    for mark in MARKS:
        if mark != delimiter and mark in text:
            text = text.replace(f"\n{mark}", f"\n'{mark}").replace(f"{delimiter}{mark}", f"{delimiter}'{mark}")
    return text[1:].split("\n") if lines else []


def outgoing_row(cells: Iterable[str]) -> list[str]:
    """A whole row for `csv.writer`. Write it with its own line ends (CR LF), or a cell's CR would not be quoted."""
    return [outgoing(cell) for cell in cells]
