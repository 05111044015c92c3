"""A Merkle tree kept as tiles, exactly as C2SP's tlog-tiles has them: 256 hashes a tile, `tile/<L>/<N>[.p/<W>]`.

Tiles lie in files or anything else with names (`Tiles`). They say nothing that the log does not say: removed, they are
made anew from it. A crash leaves tiles that no checkpoint covers; the next growth writes over them.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Protocol

from ledger.errors import TamperedError
from ledger.merkle import HASH, complete_root, range_root

WIDTH, HEIGHT = 256, 8
TILE = WIDTH * HASH
ENTRIES = "entries"
KEPT = 512
"""Tiles kept in memory, up to 4 MB; those that a checkpoint covers never change."""


class Tiles(Protocol):
    """Where tiles and checkpoints lie, by name."""

    def read(self, name: str) -> bytes | None:
        """What was written under a name, or None. Raises UnavailableError."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Puts it there in one step, over what was there; durable only after `settle`. Raises UnavailableError."""
        ...

    def settle(self) -> None:
        """Returns when all that was written is durable. Raises UnavailableError."""
        ...

    def remove_partial(self, name: str) -> None:
        """Removes the partial tiles of a full one, if there are any."""
        ...


def name_of(level: int | str, index: int, width: int = WIDTH) -> str:
    """The name of a tile; of entries with the level `entries`."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return f"tile/{level}/{'/'.join(reversed(groups))}" + (f".p/{width}" if width < WIDTH else "")


def widths(size: int) -> Iterator[tuple[int, int, int]]:
    """The tiles of a tree of that size: (level, index, width), level by level."""
    level = 0
    while size:
        yield from ((level, index, WIDTH) for index in range(size // WIDTH))
        if size % WIDTH:
            yield level, size // WIDTH, size % WIDTH
        level, size = level + 1, size // WIDTH


class TileTree:
    """One tree. Reading is safe from several threads; only one may let it grow."""

    def __init__(self, tiles: Tiles, prefix: str = "") -> None:
        """`prefix`: what names begin with, such as `0/3/`."""
        self._tiles = tiles
        self._prefix = prefix
        self._read = lru_cache(KEPT)(self._read_anew)
        self._completed: list[str] = []

    def tile(self, level: int, index: int, width: int) -> bytes | None:
        """The first `width` hashes of a tile, from the partial one or the full one; None where there is none."""
        for held in dict.fromkeys((width, WIDTH)):
            found = self._tiles.read(self._prefix + name_of(level, index, held))
            if found is not None and (held == width or len(found) == TILE):
                return found[: width * HASH] if held > width else found
        return None

    def _read_anew(self, level: int, index: int, width: int) -> bytes:
        found = self.tile(level, index, width)
        if found is None or len(found) != width * HASH:
            raise TamperedError(
                f"{self._prefix}{name_of(level, index, width)} is missing or has not its length: remove the folder "
                f"{self._prefix or '.'} of tiles, and `prefledger checkpoint` makes it anew from the log"
            )
        return found

    def node(self, level: int, index: int, size: int) -> bytes:
        """The root of a complete subtree of `2**level` leaves of the tree of that size. Raises TamperedError."""
        high, low = divmod(level, HEIGHT)
        tile, first = divmod(index << low, WIDTH)
        width = min(WIDTH, (size >> HEIGHT * high) - tile * WIDTH)
        hashes = self._read(high, tile, width)
        return complete_root(hashes[first * HASH : (first + (1 << low)) * HASH])

    def root(self, size: int) -> bytes:
        """The root of the tree of that size. Raises TamperedError."""
        return range_root(lambda level, index: self.node(level, index, size), 0, size)

    def grow(self, size: int, hashes: Iterable[bytes]) -> int:
        """Adds hashes of leaves to the tree of that size and returns its new size. Raises TamperedError.

        What is written is durable, and what it makes superfluous may go, only once the caller has seen to both.
        """
        rows = self._rows(size)
        new = iter(hashes)
        while some := list(islice(new, WIDTH - (size % WIDTH))):
            size += len(some)
            self._push(rows, 0, b"".join(some), size)
        for level, row in enumerate(rows):
            if row:
                index, width = (size >> HEIGHT * level) // WIDTH, len(row) // HASH
                self._tiles.write(self._prefix + name_of(level, index, width), bytes(row))
        return size

    def _rows(self, size: int) -> list[bytearray]:
        """The tiles that are not full yet, one a level."""
        rows: list[bytearray] = []
        while size >> HEIGHT * len(rows):
            level = len(rows)
            index, width = divmod(size >> HEIGHT * level, WIDTH)
            rows.append(bytearray(self._read_anew(level, index, width) if width else b""))
        return rows

    def _push(self, rows: list[bytearray], level: int, hashes: bytes, size: int) -> None:
        if level == len(rows):
            rows.append(bytearray())
        rows[level] += hashes
        if len(rows[level]) == TILE:
            full, rows[level] = bytes(rows[level]), bytearray()
            name = self._prefix + name_of(level, (size >> HEIGHT * level) // WIDTH - 1)
            self._tiles.write(name, full)
            self._completed.append(name)
            self._push(rows, level + 1, complete_root(full), size)

    def tidy(self) -> None:
        """Removes partial tiles that full ones took the place of; only once those are durable."""
        while self._completed:
            self._tiles.remove_partial(self._completed.pop())
