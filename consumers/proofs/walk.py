"""One tree read again from its first leaf, and held against its tiles and against every head that was signed of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import NamedTuple

from ledger.merkle import EMPTY, HASH, Peaks, complete_root
from ledger.tiles import HEIGHT, TILE, WIDTH, TileTree, name_of, widths


class Finding(NamedTuple):
    """Something that does not hold: a published code, where (a position, a tile, a checkpoint), and one sentence."""

    code: str
    where: str
    says: str


class Signed(NamedTuple):
    """A root that was signed, and by what: `checkpoint`, `head 12`, a file that an auditor kept."""

    by: str
    root: bytes


class Row(NamedTuple):
    """Up to 256 hashes of leaves, fewer only at the end, and the root over them if there are 256."""

    hashes: bytes
    root: bytes = b""

    @classmethod
    def of(cls, hashes: bytes) -> "Row":
        """With its root."""
        return cls(hashes, complete_root(hashes) if len(hashes) == TILE else b"")


Say = Callable[[Finding], None]


class Walk:
    """A tree that grows as it is read, row by row of up to 256 hashes."""

    def __init__(
        self, name: str, where: Callable[[int], str], tiles: TileTree | None, covered: int,
        signed: Mapping[int, list[Signed]], say: Say,
    ) -> None:  # fmt: skip
        """`name`: of the tree; `where`: names a leaf. `covered`: how many leaves the tiles have; `signed`: by size."""
        self.size = 0
        self._name = name
        self._where = where
        self._tiles = tiles
        self._covered = covered
        self._signed = {size: signed[size] for size in sorted(signed)}
        self._say = say
        self._peaks = Peaks()
        self._upper = bytearray()
        self._changed: list[tuple[int, int]] = []
        self._good = 0

    def run(self, rows: Iterable[Row]) -> int:
        """Reads all of them and returns how many leaves there were."""
        if 0 in self._signed:
            self._check(0, EMPTY)
        for row in rows:
            self._row(row)
        self._finish()
        return self.size

    def _row(self, row: Row) -> None:
        hashes = row.hashes
        first, self.size = self.size, self.size + len(hashes) // HASH
        if self._tiles and first < self._covered:
            self._compare(first, hashes)
        for size in self._sizes_within(first, self.size):
            peaks = deepcopy(self._peaks)
            for start in range(0, (size - first) * HASH, HASH):
                peaks.add(hashes[start : start + HASH])
            self._check(size, peaks.root())
        if row.root:
            self._upper += row.root
            self._peaks.add(row.root, HEIGHT)
            if self.size in self._signed:
                self._check(self.size, self._peaks.root())

    def _sizes_within(self, first: int, end: int) -> Iterator[int]:
        whole = end - first == WIDTH
        return (size for size in self._signed if first < size < end + (not whole))

    def _compare(self, first: int, row: bytes) -> None:
        assert self._tiles
        index, width = first // WIDTH, min(WIDTH, self._covered - first)
        tile = self._tiles.tile(0, index, width)
        if tile is None or len(tile) != width * HASH:
            self._say(Finding("tile", f"{self._name}{name_of(0, index, width)}", "the tile is missing or cut short"))
        elif tile != row[: len(tile)]:
            for place in range(0, min(len(tile), len(row)), HASH):
                if tile[place : place + HASH] != row[place : place + HASH]:
                    self._mark(first + place // HASH)

    def _mark(self, leaf: int) -> None:
        if self._changed and self._changed[-1][1] == leaf:
            self._changed[-1] = (self._changed[-1][0], leaf + 1)
        else:
            self._changed.append((leaf, leaf + 1))

    def _check(self, size: int, root: bytes) -> None:
        wrong = [signed.by for signed in self._signed[size] if signed.root != root]
        if not wrong:
            self._good = max(self._good, size)
        for by in wrong:
            between = f"{self._where(self._good)} to {self._where(max(size - 1, self._good))}"
            says = f"the first {size} leaves are not what was signed: {by} has another root"
            self._say(Finding("root", between, says))

    def _finish(self) -> None:
        for start, end in self._changed:
            where = self._where(start) + (f" to {self._where(end - 1)}" if end > start + 1 else "")
            count = "is not what was" if end == start + 1 else "are not what were"
            self._say(Finding("entry", where, f"{count} hashed when the checkpoint was made"))
        for size, signed in self._signed.items():
            if size > self.size:
                for one in signed:
                    says = f"{one.by} covers {size} leaves, but there are only {self.size}"
                    self._say(Finding("truncated", self._where(self.size), says))
        if self._tiles and self._covered <= self.size:
            self._compare_upper()

    def _compare_upper(self) -> None:
        """The tiles above the first level, from the roots of those below."""
        assert self._tiles
        rows = {1: bytes(self._upper)}
        for level, index, width in widths(self._covered):
            if level == 0:
                continue
            if level not in rows:
                below = rows[level - 1]
                starts = range(0, len(below) // TILE * TILE, TILE)
                rows[level] = b"".join(complete_root(below[start : start + TILE]) for start in starts)
            start = index * TILE
            if self._tiles.tile(level, index, width) != rows[level][start : start + width * HASH]:
                name = f"{self._name}{name_of(level, index, width)}"
                self._say(Finding("tile", name, "the tile is not what the log gives"))
