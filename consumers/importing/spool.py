"""Rows of a file that is not in the order of time, put in it, in flat memory: sorted runs on disk, merged.

The runs are files without a name: whatever ends the process, nothing that names a person stays behind.
"""

import heapq
import itertools
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Final

from consumers.importing.readers import Row

RUN: Final = 50_000
BLOCK: Final = 500
Timed = tuple[int, int, Row]
"""When it happened, its place in the file (which decides between equal times), and the row."""


def in_order(rows: Iterable[Timed]) -> Iterator[Row]:
    """The rows by time and place."""
    with ExitStack() as files:
        rows = iter(rows)
        runs: list[Iterator[Timed]] = []
        while run := sorted(itertools.islice(rows, RUN)):
            runs.append(_read(_written(run, files)))
        for _, _, row in heapq.merge(*runs):
            yield row


def _written(run: list[Timed], files: ExitStack) -> IO[bytes]:
    file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - it is
    for start in range(0, len(run), BLOCK):
        pickle.dump(run[start : start + BLOCK], file, pickle.HIGHEST_PROTOCOL)
    pickle.dump([], file)
    file.seek(0)
    return file


def _read(file: IO[bytes]) -> Iterator[Timed]:
    while block := pickle.load(file):  # noqa: S301 - written by this process, into a file that has no name
        yield from block
