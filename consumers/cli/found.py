"""How a question about all of history ends: what was found, one a line, in a file if one is asked for, and a count."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.output import emit, say
from consumers.findings import Columns, Line, export

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="What was found, as CSV, JSON Lines or Parquet by the file's ending."),
]


def tell(found: Iterable[Line], columns: Columns, out: Path | None, json: bool, words: Callable[[Line], str]) -> int:
    """Prints and exports each finding as it comes, and returns how many there were. Raises as `export` does."""
    count = 0
    with export(out, columns) as add:
        for count, line in enumerate(found, 1):  # noqa: B007
            add(line)
            if json:
                emit(line)
            else:
                say(words(line))
    return count
