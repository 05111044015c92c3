"""Moving a ledger to another log: the same entries in the same order, with their times, keys and values byte for byte.

May be killed at any moment and run again. What is in the target already must be the beginning of what is to be moved;
before the target is opened for use, all of it is read back and compared with the source, hash by hash.
"""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from consumers.erasure import erased_refs
from consumers.history_scan import every_event
from ledger.errors import RefusedError
from ledger.leaves import leaf
from ledger.log import Log, Position, Recorded
from ledger.people import People, Words
from schemas.topics import partition_of

BATCH = 2_000
Item = TypeVar("Item")
Progress = Callable[[int], None]


class Moving(NamedTuple):
    """An entry on its way, and where it stood in the logs that it was in, the first one first."""

    recorded: Recorded
    was: Sequence[Position]


class Target(Protocol):
    """A log to be filled; while it is, nobody else can open it."""

    partitions: int

    def begin(self) -> None:
        """From now on it takes entries with the times that they have. May be repeated."""
        ...

    def held(self) -> Iterator[Recorded]:
        """What it holds now, each partition in its order."""
        ...

    def add(self, entries: Sequence[Moving]) -> None:
        """Adds entries, and where they stood, at the end of their partitions, in order. Raises UnavailableError."""
        ...

    def finish(self) -> None:
        """From now on it is a ledger like any other."""
        ...


class Moved(NamedTuple):
    """What was moved, also by earlier runs."""

    entries: int
    identities: int
    evidence: int
    erased: int
    looks: int


class Chains:
    """For each partition how many entries there are, and one digest over the Merkle leaves of all of them in order."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = defaultdict(int)
        self.digests: dict[int, bytes] = defaultdict(bytes)

    def add(self, partition: int, recorded: Recorded) -> None:
        """Adds the next entry of a partition."""
        self.counts[partition] += 1
        self.digests[partition] = hashlib.sha256(self.digests[partition] + leaf(recorded)).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chains) and (self.counts, self.digests) == (other.counts, other.digests)

    __hash__ = None  # type: ignore[assignment]


def move_log(source: Log, target: Target, shut: Callable[[], None], progress: Progress = lambda _n: None) -> int:
    """Fills the target with all of the source and opens it for use; returns how many entries it has.

    `shut` keeps everybody from writing to the source: called once all was copied. What was written until then is
    copied after it. Raises RefusedError where the target holds something else. May be run again then.
    """
    ends = dict(source.ends())
    held = _chained(target.held())
    if not _is_complete(source, ends, target.partitions, held):
        target.begin()
        _fill(source, ends, target, held, progress)
    shut()
    last = dict(source.ends())
    if last != ends:
        _fill(source, last, target, _chained(target.held()), lambda _entries: None)
    target.finish()
    return sum(_chained(target.held()).counts.values())


def _in_order(source: Log, ends: Mapping[int, int]) -> Iterator[Moving]:
    """All of a log by the time recorded, so that it never runs backwards in any partition of the target either."""
    parts = [_scanned(source, partition, end) for partition, end in sorted(ends.items())]
    return heapq.merge(*parts, key=lambda one: (one.recorded.recorded_at, one.recorded.position))


def _scanned(source: Log, partition: int, end: int) -> Iterator[Moving]:
    for offset, recorded_at, key, value, was in source.scan(partition, end):
        position = Position(partition, offset)
        yield Moving(Recorded(position, recorded_at, key, value), (*(was or ()), position))


def _chained(held: Iterable[Recorded]) -> Chains:
    chains = Chains()
    for recorded in held:
        chains.add(recorded.position.partition, recorded)
    return chains


def _is_complete(source: Log, ends: Mapping[int, int], partitions: int, held: Chains) -> bool:
    """Whether what is held is all that is to be moved.

    Raises RefusedError if it is not even the beginning of it, in every partition.
    """
    if not held.counts:
        return False
    expected, complete = Chains(), True
    for recorded, _was in _in_order(source, ends):
        partition = partition_of(recorded.key, partitions)
        if expected.counts[partition] < held.counts[partition]:
            expected.add(partition, recorded)
        else:
            complete = False
    differing = [partition for partition in held.counts if expected.digests[partition] != held.digests[partition]]
    if differing:
        raise RefusedError(
            f"the target holds something else than this ledger (partition {differing[0]}): it was filled from another, "
            "or is in use already; nothing was written"
        )
    return complete


def _fill(source: Log, ends: Mapping[int, int], target: Target, held: Chains, progress: Progress) -> None:
    """Adds what is not held yet. Raises RefusedError if the target then has anything but what it should have."""
    chains = Chains()
    for batch in batches(_in_order(source, ends), BATCH):
        new = []
        for recorded, was in batch:
            partition = partition_of(recorded.key, target.partitions)
            chains.add(partition, recorded)
            if chains.counts[partition] > held.counts.get(partition, 0):
                new.append(Moving(recorded, was))
        if new:
            target.add(new)
        progress(len(batch))
    if _chained(target.held()) != chains:
        raise RefusedError(
            "the target does not hold what was moved: somebody else has written to it; make its topics anew and run "
            "this again"
        )


def move_people(log: Log, source: People, target: People) -> tuple[int, int, int, int]:
    """Copies identities, evidence, erasures and who looked; returns how many of each there are. May be repeated."""
    identities = evidence = 0
    for refs in batches(source.all_refs(), BATCH):
        found = list(source.identities(refs).values())
        target.keep(found)
        identities += len(found)
    for words in batches(_words(log, source), BATCH // 10):
        target.keep([], words)
        evidence += len(words)
    erased = sorted(erased_refs(log))
    for ref in erased:
        target.erase(ref)
    looks = list(source.looks())
    for at, ref, by, what in islice(looks, sum(1 for _look in target.looks()), None):
        target.looked_at(ref, by, what, at)
    return identities, evidence, len(erased), len(looks)


def _words(log: Log, source: People) -> Iterator[Words]:
    for _recorded, event in every_event(log):
        words = source.evidence(event.subject, event.event_id) if event.evidence else None
        if words:
            yield words


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of so many."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
