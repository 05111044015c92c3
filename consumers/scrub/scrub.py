"""`scrub`: which rows of a file may be sent to. They come out as they went in; nothing is written but whole files."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consumers.copy import Copy
from consumers.importing.source import Source, opened
from consumers.outputs import complete, must_differ
from consumers.scrub.rows import asked
from consumers.scrub.text_list import TextList
from consumers.scrub.wanted import Result, Wanted
from consumers.scrub.workers import Judges
from ledger.reference import References
from schemas.errors import InputError

if TYPE_CHECKING:
    from consumers.scrub.tables import ParquetList

LARGE: Final = 8 << 20
"""Bytes of a file from which on it is worth starting processes, which takes half a second."""


def scrub_file(
    source: Path, allowed: Path, denied: Path | None, copy: Copy, references: References, wanted: Wanted,
    processes: int | None = None,
) -> Result:  # fmt: skip
    """Writes the rows of `source` that may be sent to to `allowed`, the others with the reason to `denied`.

    `processes`: how many others to use (by default one a core, for a large file). Raises ScopeError for a question
    that is not concrete or not of the policy, InputError for a file that cannot be read, NoRoomError and
    UnavailableError where one cannot be written; then neither file has changed.
    """
    must_differ(source, allowed, denied)
    stale = copy.staleness_s() > asked(copy, references, wanted).max_staleness_s
    file, result = opened(source), Result()
    if processes is None:
        processes = (os.cpu_count() or 1) if file.size >= LARGE else 0
    with ExitStack() as stack:
        rows = _rows(file, wanted.column, stack)
        draft = stack.enter_context(complete(allowed))
        denied_draft = None if denied is None else stack.enter_context(complete(denied))
        rows.scrub(Judges(copy, references, wanted, stale, processes), draft, denied_draft, result)
        file.must_be_unchanged("nothing was written")
    return result


def _rows(file: Source, column: str, stack: ExitStack) -> "TextList | ParquetList":
    if file.format == "json":
        raise InputError("a JSON list cannot be scrubbed; write CSV, JSON Lines or Parquet")
    if file.format != "parquet":
        return TextList(file, column)
    from consumers.scrub.tables import ParquetList

    return stack.enter_context(ParquetList(file.path, column))
