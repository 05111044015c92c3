"""Records from one process to another through memory that both have: nothing is copied by the system, nobody waits.

A pipe would cost a decision two turns at Python's lock, and what is in a thread's queue is gone with the process. What
is here outlives the process that put it: the other one still has it.
"""

import mmap
import os
import threading
import weakref
from struct import Struct
from zlib import crc32

from ledger.errors import UnavailableError

PREFIX = Struct("=II")
"""Before each record: its length, and its checksum."""
COUNTS = 4096
"""Bytes at the beginning for what both count; a page."""
GOES_ON_AT_THE_START = 0xFFFF_FFFF
"""Instead of a length: the rest up to the end is not used."""
ONCE_ROUND = 1 << 20
"""Past so many bytes the ring starts again if nothing waits, so that a log that keeps up needs no more memory."""
HEAD, TAIL, REFUSED, LOGGED, LOST = range(5)
"""What is counted: bytes put and taken since the beginning; records refused, and by the reader logged and given up."""


class Ring:
    """Of threads of one process that put, and one of another that takes.

    `descriptor` is that of the memory; whoever has it and the size can open the ring.
    """

    def __init__(self, size: int, descriptor: int | None = None) -> None:
        """A new one of so many bytes, or the one behind a descriptor.

        Raises OSError where there is no memory, UnavailableError on systems that have none of this kind.
        """
        if not hasattr(os, "memfd_create"):
            raise UnavailableError(
                "a gateway logs its decisions on Linux only; run this one with --no-log-decisions, or elsewhere"
            )
        if descriptor is None:
            descriptor = os.memfd_create("prefledger-decisions", os.MFD_CLOEXEC)
            weakref.finalize(self, os.close, descriptor)
            os.ftruncate(descriptor, COUNTS + size)
        self.descriptor, self.size = descriptor, size
        self._most = size
        self._memory = memoryview(mmap.mmap(descriptor, COUNTS + size))
        self._records = self._memory[COUNTS:]
        self.counts = self._memory[:COUNTS].cast("Q")  # one store each, never half of one
        self._lock = threading.Lock()
        self._seen: list[int] = []

    def put(self, record: bytes) -> bool:
        """Puts a record; False, counted, where there is no room for it."""
        counts, size, needed = self.counts, self.size, PREFIX.size + len(record)
        with self._lock:
            head, tail = counts[HEAD], counts[TAIL]
            place = head % size
            is_over = place + needed > size or (head == tail and place > ONCE_ROUND)
            begin = head + size - place if is_over else head
            if begin + needed - tail > self._most:
                counts[REFUSED] += 1
                return False
            if is_over:
                if size - place >= PREFIX.size:
                    PREFIX.pack_into(self._records, place, GOES_ON_AT_THE_START, _checksum(b"", head))
                place = 0
            PREFIX.pack_into(self._records, place, len(record), _checksum(record, begin))
            self._records[place + PREFIX.size : place + needed] = record
            counts[HEAD] = begin + needed
        return True

    def close(self) -> None:
        """Nothing more is put: whoever tries is told that there is no room."""
        with self._lock:
            self._most = 0

    def waiting(self, most: int) -> list[bytes]:
        """The next records, so many at most; they stay until they are `taken`."""
        found: list[bytes] = []
        self._seen = []
        at, head = self.counts[TAIL], self.counts[HEAD]
        while at < head and len(found) < most:
            place = at % self.size
            rest = self.size - place
            if rest < PREFIX.size:
                at += rest
                continue
            length, checksum = PREFIX.unpack_from(self._records, place)
            if length == GOES_ON_AT_THE_START and checksum == _checksum(b"", at):
                at += rest
                continue
            record = bytes(self._records[place + PREFIX.size : place + PREFIX.size + length])
            if checksum != _checksum(record, at):  # another processor's stores are not all to be seen yet
                break
            found.append(record)
            at += PREFIX.size + length
            self._seen.append(at)
        return found

    def taken(self, many: int) -> None:
        """The first so many of what `waiting` gave last are dealt with: their room is free."""
        self.counts[TAIL] = self._seen[many - 1]
        del self._seen[:many]

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return bool(self.counts[HEAD] == self.counts[TAIL])


def _checksum(record: bytes, at: int) -> int:
    """With where the ring was, so that what an earlier round left there is not taken for new."""
    return crc32(record, at & 0xFFFF_FFFF)
