"""The leaves of a partition as rows of hashes, and of the logs that it was moved from in files beside it."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from struct import Struct
from struct import error as StructError

from consumers.proofs.walk import Finding, Row, Say
from ledger.errors import NotALedgerError
from ledger.log import Position, Scanned
from ledger.merkle import HASH
from ledger.tiles import TILE, WIDTH

pack = Struct(">BQH").pack


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

    def rows(self, era: int, partition: int) -> Iterator[Row]:
        """The rows of one of them; where an entry is missing, zeros."""
        descriptor = self._files.get((era, partition))
        start = 0
        while descriptor is not None and (row := os.pread(descriptor, TILE, start)):
            yield Row.of(row)
            start += TILE

    def close(self) -> None:
        """Lets go of the files."""
        while self._files:
            os.close(self._files.popitem()[1])


def _nameless() -> int:
    descriptor, path = tempfile.mkstemp(prefix="prefledger-verify-")
    os.unlink(path)
    return descriptor


class Reader:
    """Reads the entries of a partition, from one that is not before `first` and not earlier than `at`."""

    def __init__(self, partition: int, earlier: Earlier, say: Say, first: int = 0, at: int = 0) -> None:
        self.next = first
        self.at = at
        self._partition = partition
        self._earlier = earlier
        self._say = say

    def rows(self, entries: Iterator[Scanned]) -> Iterator[Row]:
        """Their rows; says what is wrong with them, and where they end early."""
        while hashes := b"".join(self._some(entries)):
            yield Row.of(hashes)

    def _some(self, entries: Iterator[Scanned]) -> list[bytes]:
        some: list[Scanned] = []
        try:
            some.extend(islice(entries, WIDTH))  # which keeps those before an error
        except NotALedgerError as error:
            hashes = self._hashes(some)
            self._find("unreadable", self.next, f"the log cannot be read from here on: {error}")
            return hashes
        return self._hashes(some)

    def _hashes(self, some: list[Scanned]) -> list[bytes]:
        # Of all that is ever read next to nothing is wrong: columns are compared at once, and one by one only then.
        if not some:
            return []
        offsets, times, _keys, _values, was = zip(*some, strict=True)
        try:
            hashes = [
                sha256(pack(0, at, len(raw := key.encode())) + raw + value).digest() for _, at, key, value, _ in some
            ]
        except (TypeError, AttributeError, UnicodeEncodeError, StructError):
            return [self._checked(one) for one in some]
        expected, last = self.next + len(some), self.at
        if offsets != tuple(range(self.next, expected)) or times[0] < last or sorted(times) != list(times):
            return [self._checked(one) for one in some]
        self.next, self.at = expected, times[-1]
        if any(was):
            for hashed, places in zip(hashes, was, strict=True):
                if places:
                    self._earlier.add(places, hashed)
        return hashes

    def _checked(self, one: Scanned) -> bytes:
        """The hash of one entry; says what is wrong with it."""
        offset, at, text, value, was = one
        try:
            key = text.encode("utf-8", "surrogatepass")
            hashed = sha256(pack(0, at, len(key)) + key + value).digest()
        except (TypeError, AttributeError, StructError):
            self._find("entry", offset, "its time, key or value is of another type than they are written with")
            hashed, at = bytes(HASH), self.at
        if offset != self.next:
            self._find("gap", self.next, f"the next entry is at offset {offset}: what was between is missing")
        if at < self.at:
            self._find("time", offset, f"it was recorded at {at} ms, before the entry before it ({self.at} ms)")
        if was:
            self._earlier.add(was, hashed)
        self.next, self.at = offset + 1, at
        return hashed

    def _find(self, code: str, offset: int, says: str) -> None:
        self._say(Finding(code, str((self._partition, offset)), says))
