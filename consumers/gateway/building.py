"""Builds a copy from the files of a spill (`loading.py`), in a process of its own: it takes memory and a processor."""

import gc
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from consumers.gateway.loading import BUILT, HEAD, UNREADABLE
from consumers.gateway.ports import Place
from consumers.gateway.reading import FAULTS, REFERENCE, held, must_fit
from consumers.replica.base import Base, Said
from consumers.replica.build import Builder
from consumers.replica.load import add
from consumers.replica.merge import splice
from consumers.replica.rows import SHAPE_BIT, Shapes
from consumers.replica.table import Table
from projections.fold import unpacked
from projections.statement import Fields
from schemas.topics import TABLES

SHARES: Final = 2
"""How many processes build at once: what limits them is the processor."""
PLACES: Final = [Place(table, 0) for table in TABLES]
STAMPED: Final = ("alone", "linked", "wide")
UPPER: Final = 16 + SHAPE_BIT // 8
"""Of the bytes of such a row the one in which the number of its shape begins."""


def beginning(path: Path) -> str:
    """Of the keys in a file."""
    return path.name.partition(".")[0]


def _records(whole: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end = 0, len(whole)
    while at < end:
        of_key, of_value = HEAD.unpack_from(whole, at)
        start = at + HEAD.size
        middle = start + of_key
        at = middle + of_value
        yield whole[start:middle], whole[middle:at]


def subjects(files: Iterable[Path]) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """The parts of every subject in some files of a spill, which are in order; of each part its key and the last value.

    A key is in files of one process only, so the order of those of two processes does not matter. Keys are what
    somebody has written: any bytes.
    """
    for _, together in groupby(files, key=beginning):
        latest: dict[bytes, bytes] = {}
        for path in together:
            latest.update(_records(path.read_bytes()))
        keys: dict[bytes, list[bytes]] = {}
        for key in latest:
            keys.setdefault(key.partition(b"#")[0], []).append(key)
        for subject in sorted(keys):
            found = sorted(keys[subject], key=lambda key: (len(key), key))  # KEY, KEY#2, KEY#10
            yield _text(subject), [(_text(key), latest[key]) for key in found]


def _text(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def fill(builder: Builder, files: Iterable[Path], report: Callable[[str, str], object]) -> None:
    """Writes every subject; of one that cannot be read a hold (`reading.py`), and `report` hears of it."""
    for subject, found in subjects(files):
        try:
            add(builder, subject, [_state(key, value) for key, value in found])
        except FAULTS as error:
            report(subject, repr(error))
            if REFERENCE.fullmatch(subject):
                # Which kind it is cannot be read either; a reference is one of either kind, never of both.
                add(builder, subject, [held("number", subject, 0)])
                add(builder, subject, [held("account", subject, 0)])


def _state(key: str, tagged: bytes) -> Fields:
    """A part of a state, as it was read from its table. Raises one of FAULTS."""
    part = unpacked(tagged[1:])
    must_fit(PLACES[tagged[0]], key, part)
    return part


def build(folder: Path, fingerprint: str, share: int) -> None:
    """One share of the copy: references are in order from the first to the last of the shares."""
    files = sorted(folder.glob("[0-9a-f]*"), key=lambda path: (beginning(path), path.name))
    beginnings = sorted({beginning(path) for path in files})
    of_share = set(beginnings[len(beginnings) * share // SHARES : len(beginnings) * (share + 1) // SHARES])
    mine = [path for path in files if beginning(path) in of_share]
    with Builder(folder) as builder, (folder / f"{UNREADABLE}{share}").open("w", encoding="utf-8") as unreadable:
        fill(builder, mine, lambda subject, reason: unreadable.write(f"{subject} {' '.join(reason.split())}\n"))
        Base.saved(folder / f"{BUILT}{share}", builder, Said({}, {}, fingerprint, "none@0", {}))


def combine(folder: Path, fingerprint: str) -> None:
    """All shares as one copy: their rows one after the other, the shapes numbered anew."""
    shapes = Shapes()
    with Builder(folder, shapes=shapes) as builder:
        for share in range(SHARES):
            with (folder / f"{BUILT}{share}").open("rb") as file:
                base = Base(file, "a share of the copy", check=False)
            numbers = [shapes.of(shape) for shape in base.shapes]
            for name, table in base.tables.items():
                if name in STAMPED and numbers != list(range(len(numbers))):
                    table.records = _renumbered(table, numbers)
                splice(table, set(), [], builder.tables[name])
        Base.saved(folder / BUILT, builder, Said({}, {}, fingerprint, "none@0", {}))
    found = [(folder / f"{UNREADABLE}{share}").read_text("utf-8") for share in range(SHARES)]
    (folder / UNREADABLE).write_text("".join(found), "utf-8")


def _renumbered(table: Table, numbers: list[int]) -> memoryview:
    """The rows with other numbers for their shapes, which are the upper 12 bits of a stamp."""
    rows = np.frombuffer(table.records, np.uint8).reshape(-1, table.width).copy()
    upper = rows[:, UPPER].astype(np.uint16) | rows[:, UPPER + 1].astype(np.uint16) << 8
    upper = np.array(numbers, np.uint16)[upper >> 4] << 4 | (upper & 15)
    rows[:, UPPER], rows[:, UPPER + 1] = upper & 255, upper >> 8
    return memoryview(rows.tobytes())


def main() -> None:
    """`python -m … FOLDER FINGERPRINT`: makes the copy of a spill, and names what is unreadable in it."""
    folder, fingerprint = Path(sys.argv[1]), sys.argv[2]
    tempfile.tempdir = str(folder)  # the tables are as large as the copy, and /tmp may be memory
    gc.disable()  # millions of small objects that hold no circles
    if len(sys.argv) > 3:
        build(folder, fingerprint, int(sys.argv[3]))
        return
    command = [sys.executable, "-m", "consumers.gateway.building", str(folder), fingerprint]
    others = [subprocess.Popen([*command, str(share)]) for share in range(1, SHARES)]  # noqa: S603
    build(folder, fingerprint, 0)
    for other in others:
        if other.wait():
            sys.exit(other.returncode)
    combine(folder, fingerprint)


if __name__ == "__main__":
    main()
