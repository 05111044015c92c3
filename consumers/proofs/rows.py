"""The leaves of a partition as rows of hashes, and of the logs that it was moved from in files beside it."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from struct import Struct
from struct import error as StructError

from consumers.proofs.walk import Finding, Say
from ledger.errors import NotALedgerError
from ledger.log import Position, Scanned
from ledger.merkle import HASH
from ledger.tiles import TILE, WIDTH

Seen = Callable[[int, Scanned], None]
"""Is told a partition and each of its entries."""

LEAF = Struct(">BQH")


class Earlier:
    """The leaf hashes of the partitions of earlier logs, put where they stood, as the moved entries come along."""

    def __init__(self, era: int) -> None:
        """`era`: of the log that is read."""
        self.era = era
        self._files: dict[tuple[int, int], int] = {}
        self.counts: dict[tuple[int, int], int] = {}
        self.ends: dict[tuple[int, int], int] = {}

    def add(self, was: Sequence[Position], hashed: bytes) -> None:
        """An entry that stood at those places, the last of them in the log before this one."""
        for back, (partition, offset) in enumerate(reversed(was), start=1):
            place = (self.era - back, partition)
            if place not in self._files:
                self._files[place] = _nameless()
            os.pwrite(self._files[place], hashed, offset * HASH)
            self.counts[place] = self.counts.get(place, 0) + 1
            self.ends[place] = max(self.ends.get(place, 0), offset + 1)

    def rows(self, era: int, partition: int) -> Iterator[bytes]:
        """The rows of one of them; where an entry is missing, zeros."""
        descriptor = self._files.get((era, partition))
        start = 0
        while descriptor is not None and (row := os.pread(descriptor, TILE, start)):
            yield row
            start += TILE

    def close(self) -> None:
        """Lets go of the files."""
        while self._files:
            os.close(self._files.popitem()[1])


def _nameless() -> int:
    descriptor, path = tempfile.mkstemp(prefix="prefledger-verify-")
    os.unlink(path)
    return descriptor


def rows_of(
    partition: int, entries: Iterator[Scanned], earlier: Earlier, say: Say, seen: Seen | None
) -> Iterator[bytes]:
    """The rows of hashes of a partition; says what is wrong with the order of its entries, and where it ends early."""
    reader = _Reader(partition, earlier, say, seen)
    while row := reader.row(entries):
        yield row


class _Reader:
    def __init__(self, partition: int, earlier: Earlier, say: Say, seen: Seen | None) -> None:
        self._partition = partition
        self._earlier = earlier
        self._say = say
        self._seen = seen
        self._next = 0
        self._at = 0

    def row(self, entries: Iterator[Scanned]) -> bytes:
        """Up to 256 hashes; fewer only at the end."""
        hashes: list[bytes] = []
        try:
            self._read(islice(entries, WIDTH), hashes.append)
        except NotALedgerError as error:
            self._find("unreadable", self._next, f"the log cannot be read from here on: {error}")
        return b"".join(hashes)

    def _read(self, entries: Iterator[Scanned], put: Callable[[bytes], None]) -> None:
        # All of a log goes through here: what is rare stands behind one comparison each.
        pack, hashed, expected, before = LEAF.pack, sha256, self._next, self._at
        for one in entries:
            offset, at, text, value, was = one
            try:
                key = text.encode("utf-8", "surrogatepass")
                leaf_hash = hashed(pack(0, at, len(key)) + key + value).digest()
            except (TypeError, AttributeError, StructError):
                leaf_hash, at = self._of_what_is_left(offset), before
            put(leaf_hash)
            if offset != expected or at < before:
                self._misplaced(offset, expected, at, before)
            if was:
                self._earlier.add(was, leaf_hash)
            if self._seen:
                self._seen(self._partition, one)
            self._next, self._at = expected, before = offset + 1, at

    def _of_what_is_left(self, offset: int) -> bytes:
        self._find("entry", offset, "its time, key or value is of another type than they are written with")
        return bytes(HASH)

    def _misplaced(self, offset: int, expected: int, at: int, before: int) -> None:
        if offset != expected:
            self._find("gap", expected, f"the next entry is at offset {offset}: what was between is missing")
        if at < before:
            self._find("time", offset, f"it was recorded at {at} ms, before the entry before it ({before} ms)")

    def _find(self, code: str, offset: int, says: str) -> None:
        self._say(Finding(code, str((self._partition, offset)), says))
