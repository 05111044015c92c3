"""The verification of a whole log: every leaf hashed again, and held against tiles, heads and checkpoints.

What it trusts is a public key and the checkpoints that an auditor kept, and nothing else on the machine.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from consumers.proofs.checkpoints import CHECKPOINT, Checkpoints, place
from consumers.proofs.hashers import Hashers
from consumers.proofs.rows import Earlier
from consumers.proofs.walk import Finding, Row, Signed, Walk
from ledger.checkpoint import Head, opened
from ledger.errors import NotALedgerError, TamperedError
from ledger.heads import Told, tree_of
from ledger.log import Misindexed
from ledger.merkle import leaf_hash
from ledger.tiles import TILE, TileTree

Tree = tuple[int, int]
"""Era and partition."""


class Report(NamedTuple):
    """How many entries were read, how many of them the newest checkpoint covers, under which key, and what is wrong."""

    entries: int
    covered: int
    key: str
    checkpoint: Head | None
    findings: list[Finding]


class Verification:
    """One run."""

    def __init__(self, checkpoints: Checkpoints, hashers: Hashers | None = None) -> None:
        """`hashers`: processes that help."""
        self._of = checkpoints
        self._hashers = hashers or Hashers(None, 0)
        self._findings: list[Finding] = []
        self._signed: dict[Tree, dict[int, list[Signed]]] = defaultdict(lambda: defaultdict(list))
        self._of_heads: dict[int, list[Signed]] = defaultdict(list)

    def run(self, kept: Mapping[str, bytes]) -> Report:
        """Verifies the log; `kept`: checkpoints from elsewhere by the name that findings give them."""
        # The end first: what is recorded from now on is for the next time.
        ends = self._ends()
        newest = self._newest()
        for name, note in kept.items():
            self._take(name, note, newest)
        self._heads()
        self._partitions()
        entries = self._log(ends)
        covered = sum(told.head.size for (era, _), told in self._of.heads.newest.items() if era == self._of.era)
        return Report(entries, covered, str(self._of.verifier), newest, self._findings)

    def _ends(self) -> Mapping[int, int | None]:
        try:
            return self._of.log.ends()
        except (NotALedgerError, TypeError, ValueError) as error:
            self._say(Finding("unreadable", "the end", str(error)))
            return dict.fromkeys(range(self._of.log.partitions))

    def _say(self, finding: Finding) -> None:
        self._findings.append(finding)

    def _newest(self) -> Head | None:
        try:
            newest = self._of.newest()
        except TamperedError as error:
            self._say(Finding("checkpoint", CHECKPOINT, str(error)))
            return None
        if newest is None:
            self._say(Finding("checkpoint", CHECKPOINT, "no checkpoint was ever made here, so nothing can be verified"))
            return None
        self._of_heads[newest.head.size].append(Signed("the newest checkpoint", newest.head.root))
        return newest.head

    def _take(self, name: str, note: bytes, newest: Head | None) -> None:
        """A checkpoint from elsewhere: of the ledger, or of one partition."""
        try:
            head = opened(note, self._of.verifier)
        except TamperedError as error:
            self._say(Finding("checkpoint", name, str(error)))
            return
        tree = tree_of(head.origin, self._of.origin)
        if tree:
            self._signed[tree][head.size].append(Signed(name, head.root))
        elif head.origin != self._of.origin:
            self._say(Finding("origin", name, f"it is a checkpoint of {head.origin!r}, not of {self._of.origin!r}"))
        elif newest and newest.size == head.size and newest.root != head.root:
            says = f"two checkpoints of {head.size} heads with two roots were signed: somebody was shown another log"
            self._say(Finding("split view", name, says))
        elif newest is None or head.size > newest.size:
            here = newest.size if newest else 0
            says = f"it has {head.size} heads, and here there are only {here}: this log is older than the checkpoint"
            self._say(Finding("truncated", name, says))
        else:
            self._of_heads[head.size].append(Signed(name, head.root))

    def _heads(self) -> None:
        """The log of heads itself; what it says was signed of each partition."""
        heads = self._of.heads.all
        for told in heads:
            self._signed[told.era, told.partition][told.head.size].append(Signed(f"head {told.at}", told.head.root))
        self._check_order(heads)
        hashes = b"".join(leaf_hash(told.head.text.encode()) for told in heads)
        rows = (Row.of(hashes[start : start + TILE]) for start in range(0, len(hashes), TILE))
        tiles = TileTree(self._of.shelf)
        Walk("", lambda index: f"head {index}", tiles, len(heads), self._of_heads, self._say).run(rows)

    def _check_order(self, heads: Sequence[Told]) -> None:
        last: dict[Tree, int] = {}
        for told in heads:
            size = last.get((told.era, told.partition), 0)
            if told.head.size < size:
                says = f"it has {told.head.size} leaves, and an earlier head of the same partition {size}"
                self._say(Finding("heads", f"head {told.at}", says))
            last[told.era, told.partition] = told.head.size

    def _partitions(self) -> None:
        """The partitions' own checkpoints, with which proofs begin: each says the newest head of its partition.

        Or the one before it: whatever was cut short when the newest was signed has left that behind.
        """
        before: dict[Tree, Head | None] = {}
        for told in self._of.heads.all:
            tree = told.era, told.partition
            if told is self._of.heads.newest[tree]:
                self._own(told, before.get(tree))
            before[tree] = told.head

    def _own(self, told: Told, before: Head | None) -> None:
        note, expected = self._of.shelf.read(place(told)), told.head
        try:
            head = None if note is None else opened(note, self._of.verifier, expected.origin)
        except TamperedError as error:
            self._say(Finding("checkpoint", place(told), str(error)))
            return
        if head not in (expected, before):
            says = "it is missing" if head is None else f"it has {head.size} leaves and the root {head.root.hex()}"
            is_told = f"head {told.at} {expected.size} leaves and the root {expected.root.hex()}"
            self._say(Finding("checkpoint", place(told), f"{says}; {is_told}"))

    def _log(self, ends: Mapping[int, int | None]) -> int:
        entries = 0
        with closing(Earlier(self._of.era)) as earlier, self._hashers.hidden(self._of.log, ends) as hidden:
            for partition, end in ends.items():
                rows = self._hashers.rows(self._of.log, partition, end, earlier, self._say)
                entries += self._walk((self._of.era, partition), rows)
            self._eras(earlier, ends)
            self._indexes(hidden)
        return entries

    def _indexes(self, hidden: Callable[[], list[Misindexed]]) -> None:
        """Whether what the trees have is found: an entry that an index hides is in every proof and in no timeline."""
        try:
            for partition, first, last, says in hidden():
                where = f"{(partition, first)}" + (f" to {(partition, last)}" if last > first else "")
                self._say(Finding("index", where, says))
        except NotALedgerError as error:
            self._say(Finding("index", "the indexes", f"they cannot be read: {error}"))

    def _eras(self, earlier: Earlier, ends: Mapping[int, int | None]) -> None:
        """The logs that this one was moved from, put together again from the entries that say where they stood."""
        for era, partition in sorted(set(self._signed) | set(earlier.ends)):
            if era != self._of.era:
                self._check_density(earlier, (era, partition))
                self._walk((era, partition), earlier.rows(era, partition))
            elif partition not in ends:
                says = f"checkpoints have heads of partition {partition}, which this log does not have"
                self._say(Finding("truncated", str((partition, 0)), says))

    def _check_density(self, earlier: Earlier, tree: Tree) -> None:
        count, end = earlier.counts.get(tree, 0), earlier.ends.get(tree, 0)
        if count != end:
            says = f"of {end} entries before the move {count} are here"
            self._say(Finding("gap", f"era {tree[0]}, partition {tree[1]}", says))

    def _walk(self, tree: Tree, rows: Iterable[Row]) -> int:
        era = "" if tree[0] == self._of.era else f"era {tree[0]}, "

        def where(offset: int) -> str:
            return f"{era}{(tree[1], offset)}"

        told = self._of.heads.newest.get(tree)
        name = f"{tree[0]}/{tree[1]}/"
        covered = told.head.size if told else 0
        return Walk(name, where, TileTree(self._of.shelf, name), covered, self._signed[tree], self._say).run(rows)
