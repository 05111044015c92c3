"""Making checkpoints, and proving entries under them. A checkpoint costs what is new, not what is old.

Order: tiles and heads first, then the signed checkpoint, in one step under its name. Killed before that, the old
checkpoint holds, and what the new tiles say beyond it is written over; killed after it, only the partitions' own
checkpoints are one behind, which the next one mends, of all partitions, and a proof that needs them before that.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from ledger.checkpoint import Head, opened
from ledger.errors import TamperedError, UnknownEventError
from ledger.heads import Heads, Told
from ledger.leaves import leaf
from ledger.log import Log, Recorded
from ledger.merkle import inclusion_proof, leaf_hash
from ledger.notes import Signer, Verifier
from ledger.tiles import Tiles, TileTree

CHECKPOINT, VERIFIER_KEY = "checkpoint", "verifier-key"


class Shelf(Tiles, Protocol):
    """Where one ledger's tiles and checkpoints lie."""

    def alone(self) -> AbstractContextManager[None]:
        """While nobody else on this machine makes a checkpoint there."""
        ...


class Signed(NamedTuple):
    """The newest checkpoint: as signed, what it says, and how many entries it covers that the one before did not."""

    note: bytes
    head: Head
    added: int


class Proof(NamedTuple):
    """An entry under a signed checkpoint: its path to the head of its partition, and that head's to the checkpoint."""

    recorded: Recorded
    told: Told
    path: list[bytes]
    head_path: list[bytes]
    checkpoint: bytes


def place(told: Told) -> str:
    """Where the own checkpoint of a head's partition lies, with which a proof of its entries begins."""
    return f"{told.era}/{told.partition}/{CHECKPOINT}"


class Checkpoints:
    """The checkpoints of one ledger."""

    def __init__(
        self, log: Log, shelf: Shelf, origin: str, era: int, verifier: Verifier, signer: Callable[[], Signer]
    ) -> None:
        """`era`: how often the ledger was moved. `signer` is asked only to make one."""
        self.log = log
        self.shelf = shelf
        self.era = era
        self.origin = origin
        self.verifier = verifier
        self._signer = signer
        self.heads = Heads(shelf, origin)
        self._trees: dict[int, TileTree] = {}

    def tree(self, partition: int) -> TileTree:
        """The tree of a partition as it is since the last move."""
        return self._trees.setdefault(partition, TileTree(self.shelf, f"{self.era}/{partition}/"))

    def newest(self) -> Signed | None:
        """The newest checkpoint, its signature checked and its heads loaded. Raises TamperedError."""
        note = self.shelf.read(CHECKPOINT)
        if note is None:
            return None
        head = opened(note, self.verifier, self.origin)
        if head.size < self.heads.size:
            raise TamperedError(f"the newest checkpoint has {head.size} heads, but there was one of {self.heads.size}")
        self.heads.load(head.size)
        return Signed(note, head, 0)

    def make(self) -> Signed:
        """Signs what the log holds now; the newest checkpoint as it is if nothing was added.

        Raises TamperedError, and signs nothing, where the log or the tiles are not what was signed before.
        """
        with self.shelf.alone():
            newest = self.newest()
            if newest and self.heads.root(newest.head.size) != newest.head.root:
                raise TamperedError("the heads on this machine are not those of the newest checkpoint; run verify")
            grown = [(old, new) for part, end in self.log.ends().items() for old, new in self._grown(part, end)]
            if newest and not grown:
                if self._sign_partitions():
                    self.shelf.settle()
                return newest
            return self._sign([new for _old, new in grown], sum(new.size - old for old, new in grown))

    def _grown(self, partition: int, end: int) -> Iterator[tuple[int, Head]]:
        told = self.heads.newest.get((self.era, partition))
        size = told.head.size if told else 0
        if end < size:
            raise TamperedError(f"partition {partition} ends at {end}, but a checkpoint covers {size} entries of it")
        tree = self.tree(partition)
        if told and self.shelf.read(place(told)) is None:  # the folder was removed
            tree.grow(0, self._hashes(partition, 0, size))
        if end == size:
            return
        if told and tree.root(size) != told.head.root:
            raise TamperedError(
                f"the first {size} entries of partition {partition} are not those that were signed; run verify"
            )
        tree.grow(size, self._hashes(partition, size, end))
        yield size, Head(f"{self.origin}/{self.era}/{partition}", end, tree.root(end))

    def _hashes(self, partition: int, start: int, end: int) -> Iterator[bytes]:
        expected = start
        for recorded in self.log.read(partition, start, end):
            if recorded.position.offset != expected:
                raise TamperedError(f"partition {partition} has no entry at offset {expected}; run verify")
            expected += 1
            yield leaf_hash(leaf(recorded))
        if expected != end:
            raise TamperedError(f"partition {partition} has no entry at offset {expected}; run verify")

    def _sign(self, heads: list[Head], added: int) -> Signed:
        signer = self._signer()
        head = self.heads.grow(heads)
        self.shelf.settle()
        note = head.signed(signer)
        self.shelf.write(VERIFIER_KEY, f"{signer.verifier}\n".encode())
        self.shelf.write(CHECKPOINT, note)
        self._sign_partitions()
        self.shelf.settle()
        self.heads.tidy()
        for tree in self._trees.values():
            tree.tidy()
        return Signed(note, head, added)

    def _sign_partitions(self) -> bool:
        """Signs each partition's newest head as its own checkpoint, where another lies there or none; whether any."""
        behind = [told for told in self.heads.newest.values() if not self._is_own(told)]
        for told in behind:
            self.shelf.write(place(told), told.head.signed(self._signer()))
        return bool(behind)

    def _is_own(self, told: Told) -> bool:
        note = self.shelf.read(place(told))
        try:
            return note is not None and opened(note, self.verifier) == told.head
        except TamperedError:
            return False

    def prove(self, event_id: str) -> Proof:
        """Proves the entry of an event; makes a checkpoint first where none covers it yet.

        Raises UnknownEventError, and TamperedError where the tiles are damaged.
        """
        recorded = self.log.find(event_id)
        if recorded is None:
            raise UnknownEventError(f"no event has the id {event_id}")
        return self.prove_entry(recorded)

    def prove_entry(self, recorded: Recorded) -> Proof:
        """As `prove`, of an entry."""
        newest, whose = self.newest(), (self.era, recorded.position.partition)
        if newest and self.covers(recorded) and self._is_own(self.heads.newest[whose]):
            return self.prove_under(newest, recorded)
        return self.prove_under(self.make(), recorded)

    def covers(self, recorded: Recorded) -> bool:
        """Whether the newest checkpoint that was loaded covers an entry."""
        told = self.heads.newest.get((self.era, recorded.position.partition))
        return told is not None and recorded.position.offset < told.head.size

    def prove_under(self, signed: Signed, recorded: Recorded) -> Proof:
        """Proves an entry that a checkpoint covers, which is the newest. Raises TamperedError."""
        partition, offset = recorded.position
        told = self.heads.newest[self.era, partition]
        tree, size = self.tree(partition), told.head.size
        path = inclusion_proof(lambda level, index: tree.node(level, index, size), offset, size)
        return Proof(recorded, told, path, self.heads.proof(told.at, signed.head.size), signed.note)
