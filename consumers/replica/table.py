"""Rows of one width under references, sorted, in memory that may be a mapped file: a few bytes of overhead a row.

References are random, so their first bits make a perfect index: `starts` says where the rows of each bucket begin, and
only the 64 bits that follow are kept as the row's key. Bucket and key are 83 bits of a reference together.
"""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

BITS = 19
"""Of a reference that choose the bucket; twenty rows a bucket where there are ten million."""
KEY_MASK = (1 << 64) - 1
PREFIX = 12  # bytes of a reference that bucket and key are taken from

Bytes = NDArray[np.uint8]
Keys = NDArray[np.uint64]
Places = NDArray[np.int64]


def split(reference: bytes, bits: int) -> tuple[int, int]:
    """Bucket and key of a reference, or of its first 12 bytes."""
    whole = int.from_bytes(reference[:PREFIX], "big")
    return whole >> (96 - bits), (whole >> (32 - bits)) & KEY_MASK


def split_many(references: Bytes, bits: int) -> tuple[Places, Keys]:
    """The same of many, one a row."""
    high = np.ascontiguousarray(references[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    low = np.ascontiguousarray(references[:, 8:PREFIX]).view(">u4")[:, 0].astype(np.uint64)
    key = (high << np.uint64(bits)) | (low >> np.uint64(32 - bits))
    return (high >> np.uint64(64 - bits)).astype(np.int64), key


class Table:
    """Read only. `width`: bytes of a record; `blobs`, where there are any, stand in the order of the rows."""

    def __init__(
        self, bits: int, width: int, starts: memoryview, keys: memoryview, records: memoryview, blobs: memoryview
    ) -> None:
        """`starts`: for each bucket, and for the one after the last, the first row, uint32; `keys`: uint64."""
        self.bits = bits
        self.width = width
        self._starts = starts.cast("I")
        self._keys = keys.cast("Q")
        self.records = records
        self.blobs = blobs
        self.views = (self._starts, self._keys)
        self.starts = np.frombuffer(starts, np.uint32)
        self.keys = np.frombuffer(keys, np.uint64)
        self._ends: Places | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, reference: bytes) -> int:
        """The first row of a reference's bucket and key; -1 where there is none."""
        bucket, key = split(reference, self.bits)
        keys, end = self._keys, self._starts[bucket + 1]
        row = bisect_left(keys, key, self._starts[bucket], end)
        return row if row < end and keys[row] == key else -1

    def place(self, reference: bytes) -> int:
        """Where a row of this reference would be inserted."""
        bucket, key = split(reference, self.bits)
        return bisect_left(self._keys, key, self._starts[bucket], self._starts[bucket + 1])

    def find_many(self, references: Bytes) -> Places:
        """As `find`, for many references of at least 12 bytes, one a row."""
        bucket, key = split_many(references, self.bits)
        low, end = self.starts[bucket].astype(np.int64), self.starts[bucket + 1].astype(np.int64)
        high, last = end.copy(), len(self) - 1
        while (open_ := low < high).any():
            middle = (low + high) >> 1
            below = (self.keys[np.minimum(middle, last)] < key) & open_
            low = np.where(below, middle + 1, low)
            high = np.where(below | ~open_, high, middle)
        found = (low < end) & (self.keys[np.minimum(low, last)] == key)
        return np.where(found, low, -1)

    def records_of(self, rows: Places) -> Bytes:
        """The records of many rows, one a row."""
        return np.frombuffer(self.records, np.uint8).reshape(-1, self.width)[rows]

    def blob(self, row: int) -> bytes:
        """The blob of a row, whose record is its length (uint32)."""
        start, end = self.blob_span(row, row + 1)
        return self.blobs[start:end].tobytes()

    def blob_span(self, first: int, end: int) -> tuple[int, int]:
        """Where the blobs of the rows from `first` up to `end` stand."""
        if self._ends is None:
            self._ends = np.concatenate(([0], np.cumsum(np.frombuffer(self.records, "<u4"), dtype=np.int64)))
        return int(self._ends[first]), int(self._ends[end])

    def keys_of(self, first: int, end: int) -> memoryview:
        """The keys of the rows from `first` up to `end`, as they are stored."""
        return self._keys[first:end]

    def bucket(self, row: int) -> int:
        """The bucket that a row is in."""
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def prefix(self, row: int) -> str:
        """What the table knows of the row's reference: its first digits, as many as bucket and key fill."""
        bits = self.bits + 64
        known = (self.bucket(row) << 64) | self._keys[row]
        return f"{known >> (bits % 4):0{bits // 4}x}"
