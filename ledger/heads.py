"""The log of heads: the tree whose checkpoint an auditor keeps (`docs/evidence.md`).

Each leaf is the text of one partition's checkpoint (origin, size and root, a line each), byte for byte. A checkpoint
adds a leaf for each partition that has grown, so this tree is append only as the partitions are, and one kept
checkpoint of it commits to every head that was ever told. The leaves themselves lie beside the tiles, as C2SP's entry
bundles. A partition's origin is `LEDGER/ERA/PARTITION`; the era says how often the ledger had been moved.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ledger.checkpoint import Head
from ledger.errors import TamperedError
from ledger.merkle import inclusion_proof, leaf_hash
from ledger.tiles import ENTRIES, WIDTH, Tiles, TileTree, name_of

PARTITION = re.compile(r"(0|[1-9][0-9]{0,8})/(0|[1-9][0-9]{0,8})")


def tree_of(origin: str, ledger: str) -> tuple[int, int] | None:
    """Era and partition that an origin names; None if it is no partition's of the ledger."""
    found = PARTITION.fullmatch(origin.removeprefix(f"{ledger}/")) if origin.startswith(f"{ledger}/") else None
    return None if found is None else (int(found[1]), int(found[2]))


class Told(NamedTuple):
    """The head of a partition of an era, and where it stands in the log of heads."""

    at: int
    era: int
    partition: int
    head: Head


class Heads:
    """The log of heads up to a size, in memory: some hundred bytes a head."""

    def __init__(self, tiles: Tiles, origin: str) -> None:
        """`origin`: of the ledger. Nothing is read until `load`."""
        self.origin = origin
        self.all: list[Told] = []
        self.newest: dict[tuple[int, int], Told] = {}
        self._tiles = tiles
        self._tree = TileTree(tiles)

    @property
    def size(self) -> int:
        """How many heads are here."""
        return len(self.all)

    def load(self, size: int) -> None:
        """Reads the heads up to that size. Raises TamperedError if they are not all there."""
        while self.size < size:
            index = self.size // WIDTH
            for text in self._bundle(index, min(WIDTH, size - index * WIDTH))[self.size % WIDTH :]:
                self._add(text)

    def _bundle(self, index: int, width: int) -> list[str]:
        for name in (name_of(ENTRIES, index, width), name_of(ENTRIES, index)):
            raw = self._tiles.read(name)
            texts = [] if raw is None else list(_entries(raw, name))[:width]
            if len(texts) == width:
                return texts
        raise TamperedError(
            f"{name_of(ENTRIES, index, width)} is missing or damaged: heads that checkpoints consist of"
        )

    def _add(self, text: str) -> None:
        head = Head.of(text)
        tree = tree_of(head.origin, self.origin)
        if tree is None:
            raise TamperedError(f"head {self.size} is of {head.origin!r}, which is no partition of {self.origin}")
        told = Told(self.size, *tree, head)
        self.all.append(told)
        self.newest[told.era, told.partition] = told

    def grow(self, heads: Sequence[Head]) -> Head:
        """Adds heads and returns the head of their tree; durable, and valid, once the caller has signed it."""
        old = self.size
        for head in heads:
            self._add(head.text)
        for index in range(old // WIDTH, -(-self.size // WIDTH)):
            texts = [told.head.text for told in self.all[index * WIDTH : (index + 1) * WIDTH]]
            self._tiles.write(name_of(ENTRIES, index, len(texts)), b"".join(map(_entry, texts)))
        self._tree.grow(old, (leaf_hash(head.text.encode()) for head in heads))
        return Head(self.origin, self.size, self._tree.root(self.size))

    def tidy(self) -> None:
        """Removes what fuller tiles took the place of; only once those are durable."""
        self._tree.tidy()
        if self.size >= WIDTH:
            self._tiles.remove_partial(name_of(ENTRIES, self.size // WIDTH - 1))

    def root(self, size: int) -> bytes:
        """The root of the tree of that size, from its tiles. Raises TamperedError."""
        return self._tree.root(size)

    def proof(self, index: int, size: int) -> list[bytes]:
        """What shows that head number `index` is in the tree of that size. Raises TamperedError."""
        return inclusion_proof(lambda level, at: self._tree.node(level, at, size), index, size)


def _entry(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _entries(raw: bytes, name: str) -> Iterator[str]:
    start = 0
    while start < len(raw):
        end = start + 2 + int.from_bytes(raw[start : start + 2], "big")
        try:
            text = raw[start + 2 : end].decode()
        except UnicodeDecodeError:
            text = ""
        if not text or end > len(raw):
            raise TamperedError(f"{name} is damaged: it holds something that is no head")
        yield text
        start = end
