"""Builds a copy from the files of a spill (`loading.py`), in a process of its own: it takes memory and a processor."""

import gc
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from consumers.gateway.loading import BUILT, LENGTH, UNREADABLE
from consumers.gateway.reading import FAULTS, REFERENCE, held
from consumers.replica.base import Base, Said
from consumers.replica.build import Builder
from consumers.replica.load import add
from projections.fold import unpacked
from schemas.topics import TABLE_OF


def parts(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All parts of a spill in the order of their keys, of each the last."""
    for path in sorted(folder.glob("[0-9a-f]*")):
        latest = dict(_records(path.read_bytes()))
        for key in sorted(latest):
            yield key.decode(), latest[key]
        path.unlink()


def _records(whole: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end = 0, len(whole)
    while at < end:
        start = at + 1 + LENGTH
        middle = start + whole[at]
        at_end = middle + int.from_bytes(whole[at + 1 : start])
        yield whole[start:middle], whole[middle:at_end]
        at = at_end


def subjects(folder: Path) -> Iterator[tuple[str, list[bytes]]]:
    """The parts of every subject, in order."""
    for subject, found in groupby(parts(folder), key=lambda part: part[0].partition("#")[0]):
        by_number = sorted((int(key.partition("#")[2] or 0), value) for key, value in found)
        yield subject, [value for _, value in by_number]


def fill(builder: Builder, folder: Path, report: Callable[[str, str], object]) -> None:
    """Writes every subject; of one that cannot be read a hold (`reading.py`), and `report` hears of it."""
    for subject, values in subjects(folder):
        try:
            states = [unpacked(value) for value in values]
            kind = states[0]["kind"]
            if kind not in TABLE_OF or any(state["subject"] != subject for state in states):
                raise ValueError("its subject is not its key")
            add(builder, subject, states)
        except FAULTS as error:
            report(subject, repr(error))
            if REFERENCE.fullmatch(subject):
                # Which kind it is cannot be read either; a reference is one of either kind, never of both.
                add(builder, subject, [held("number", subject, 0)])
                add(builder, subject, [held("account", subject, 0)])


def main() -> None:
    """`python -m … FOLDER FINGERPRINT`: makes the copy of a spill, and names what is unreadable in it."""
    folder, fingerprint = Path(sys.argv[1]), sys.argv[2]
    tempfile.tempdir = str(folder)  # the tables are as large as the copy, and /tmp may be memory
    gc.disable()  # millions of small objects that hold no circles
    with Builder(folder) as builder, (folder / UNREADABLE).open("w", encoding="utf-8") as unreadable:
        fill(builder, folder, lambda subject, reason: unreadable.write(f"{subject} {' '.join(reason.split())}\n"))
        Base.saved(folder / BUILT, builder, Said({}, {}, fingerprint, "none@0", {}))


if __name__ == "__main__":
    main()
