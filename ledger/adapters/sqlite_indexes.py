"""Whether the indexes of a log in a file have every entry, and where it stands: for who checks the log.

The Merkle tree is over the entries, and `timeline` finds them by an index: a row that is missing from it hides an event
that is still there. So both are read in their own order, and compared by 8 bytes of each subject, entry by entry.
"""

from binascii import unhexlify
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from ledger.adapters.sqlite_file import SqliteFile
from ledger.adapters.sqlite_rows import Packed, packed
from ledger.log import Misindexed

CHUNK = 20_000
KEYS = "SELECT offset, CAST(key AS BLOB) FROM log WHERE offset >= ? AND offset < ? ORDER BY offset"
SUBJECTS = "SELECT subject, claim, offset FROM subject_index {} ORDER BY subject, claim, offset LIMIT ?"
EVENTS = "SELECT event_id, offset FROM event_index {} ORDER BY event_id LIMIT ?"
AFTER = {SUBJECTS: "WHERE (subject, claim, offset) > (?, ?, ?)", EVENTS: "WHERE (event_id) > (?)"}
Marks = Any  # an array of numpy, which has a type only where it is made
HIDDEN = "the index of subjects has it not, or under another subject: questions about its subject pass it over"
UNFOUND = "the index of event ids has it not, or more than once: it is not found by its id"


def misindexed(file: SqliteFile, end: int) -> Iterator[Misindexed]:
    """The entries below `end` that an index has not, or elsewhere. Keeps ten bytes an entry.

    Of a log with offsets beyond what its file can hold nothing is said: that is found where its entries are read.
    Raises NotALedgerError where an index cannot be read.
    """
    if end > file.path.stat().st_size:
        return
    marks, times = _subjects(file, end)
    once = _events(file, end) == 1
    hidden, unfound = _Runs(HIDDEN), _Runs(UNFOUND)
    for start in range(0, end, CHUNK):
        rows = file.rows(KEYS, (start, min(start + CHUNK, end)))
        if not rows:
            continue
        offsets = np.fromiter((offset for offset, _key in rows), np.int64, len(rows))
        wanted = _marks([key or b"" for _offset, key in rows])  # a damaged page can hold none, whatever its table says
        yield from hidden.add(offsets[(marks[offsets] != wanted) | (times[offsets] != 1)].tolist())
        yield from unfound.add(offsets[~once[offsets]].tolist())
    yield from hidden.end()
    yield from unfound.end()


def _subjects(file: SqliteFile, end: int) -> tuple[Marks, Marks]:
    """For each offset the mark of its subject, and how often it stands in the index."""
    marks, times = np.zeros(end, np.uint64), np.zeros(end, np.uint8)
    for rows in _pages(file, SUBJECTS):
        offsets, inside = _offsets(rows, end)
        marks[offsets] = _marks_of_packed([subject for subject, *_ in rows])[inside]
        np.add.at(times, offsets, 1)
    return marks, times


def _events(file: SqliteFile, end: int) -> Marks:
    times = np.zeros(end, np.uint8)
    for rows in _pages(file, EVENTS):
        np.add.at(times, _offsets(rows, end)[0], 1)
    return times


def _pages(file: SqliteFile, statement: str) -> Iterator[list[Any]]:
    """The rows in the order of their keys; of one moment only within a page, so that nobody has to wait."""
    rows = file.rows(statement.format(""), (CHUNK,))
    while rows:
        yield rows
        last = rows[-1] if statement == SUBJECTS else rows[-1][:1]
        rows = file.rows(statement.format(AFTER[statement]), (*last, CHUNK))


def _offsets(rows: Sequence[Any], end: int) -> tuple[Marks, Marks]:
    """Those of the entries that are looked at, and which of the rows they are from."""
    offsets = np.fromiter((row[-1] for row in rows), np.int64, len(rows))
    inside = (offsets >= 0) & (offsets < end)
    return offsets[inside], inside


def _marks(keys: Sequence[bytes]) -> Marks:
    """Of keys as the log has them, nearly all of them references in hex."""
    joined = b"".join(keys)
    if set(map(len, keys)) == {32}:
        try:
            raw = unhexlify(joined)
        except ValueError:
            raw = b""
        if raw.hex().encode() == joined:
            return np.frombuffer(raw, np.uint64)[::2]
    return _marks_of_packed([packed(key.decode("utf-8", "replace")) for key in keys])


def _marks_of_packed(subjects: Sequence[Packed]) -> Marks:
    if set(map(type, subjects)) == {bytes} and set(map(len, subjects)) == {16}:
        return np.frombuffer(b"".join(subjects), np.uint64)[::2]  # type: ignore[arg-type]
    digests = [
        one if isinstance(one, bytes) and len(one) == 16 else sha256(str(one).encode("utf-8", "replace")).digest()
        for one in subjects
    ]
    return np.frombuffer(b"".join(one[:8] for one in digests), np.uint64)


class _Runs:
    """Puts neighbours together: of an index that was emptied there is one thing to say."""

    def __init__(self, says: str) -> None:
        self._says = says
        self._run: Misindexed | None = None

    def add(self, offsets: Sequence[int]) -> Iterator[Misindexed]:
        """In their order."""
        for offset in offsets:
            if self._run and self._run.last == offset - 1:
                self._run = self._run._replace(last=offset)
            else:
                yield from self.end()
                self._run = Misindexed(0, offset, offset, self._says)

    def end(self) -> Iterator[Misindexed]:
        """What was put together last."""
        if self._run:
            yield self._run
        self._run = None
