"""The port of the append-only log: what every adapter promises. `tests/contracts/log.py` holds them to it.

A log has partitions 0 … n-1, each a sequence of entries at offsets 0, 1, 2, … without gaps, or with gaps where
an adapter says so. Nothing that was appended is ever changed or removed.
"""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable


class Position(NamedTuple):
    """Where an entry stands: (partition, offset)."""

    partition: int
    offset: int


class Recorded(NamedTuple):
    """An entry as stored: what a Merkle leaf is made of, and where it stands. `recorded_at` in milliseconds."""

    position: Position
    recorded_at: int
    key: str
    value: bytes


Scanned = tuple[int, int, str, bytes, Sequence[Position] | None]
"""An entry as the log itself has it: offset, recorded_at, key, value, and where it stood in the logs that it was moved
from, the first one first. A plain tuple: of a whole log a named one would take as long to make as to hash."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to append once.

    `claim` is the idempotency key's reference: under one `key`, a claim that is held by an entry of the same
    `content` makes this one a duplicate, and of other content a conflict. `frees` names an event of the same
    `key` whose claim is given back, because this entry corrects it; `reclaims` one whose claim is taken again,
    because this entry corrects its correction (if nobody holds that claim by then).
    """

    key: str
    value: bytes
    event_id: str
    claim: str
    content: str
    frees: str | None = None
    reclaims: str | None = None


class Appended(NamedTuple):
    """The entry is stored, durably, at this position."""

    position: Position
    recorded_at: int


class Duplicate(NamedTuple):
    """The same key, claim and content was stored before; this is the first."""

    first: Recorded


class Conflict(NamedTuple):
    """The claim is held by an entry of other content; nothing was stored."""

    first: Recorded


Outcome = Appended | Duplicate | Conflict


class Misindexed(NamedTuple):
    """Entries of a partition, from `first` to `last`, that an index does not lead to, and what that hides."""

    partition: int
    first: int
    last: int
    says: str


@runtime_checkable
class Indexed(Protocol):
    """A log that finds entries by indexes which lie where somebody may change them."""

    def misindexed(self, partition: int, end: int) -> Iterator[Misindexed]:
        """Every entry below `end` that its indexes hide. Raises NotALedgerError where they cannot be read."""
        ...


class Log(Protocol):
    """The append-only log. Safe to use from several threads; several processes may have it open at once."""

    @property
    def partitions(self) -> int:
        """How many partitions there are; fixed for the life of a log."""
        ...

    def append(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Stores the entries in order and returns what became of each, in order.

        Returns only when all of them are durable. On one machine they are stored in one atomic step: after a crash
        before it returned, all of them are there or none. A log of several machines may leave some of them: those of
        one partition in order, and the first before the others, so that of an opt-out that reaches accounts the
        accounts are there first; a retry with the same claims completes it.
        An entry may duplicate one before it in the same call. `recorded_at` is the log's own clock and never
        runs backwards within a partition. Waits its turn when another thread or process is writing.
        Raises UnavailableError (NoRoomError for a full disk) when nothing was acknowledged and the caller may repeat.
        """
        ...

    def submit(self, entries: Sequence[Entry]) -> "Future[list[Outcome]]":
        """As `append`, without waiting: the future is done when the entries are durable.

        Calls that wait at the same time are committed together (group commit), each still atomic by itself;
        calls of one thread are stored in the order in which they were made.
        """
        ...

    def append_async(self, entries: Sequence[Entry]) -> Awaitable[list[Outcome]]:
        """As `submit`, for tasks of an asyncio loop: handed in when called, durable when awaited.

        Cheaper than a thread's future by far. A task that is cancelled while it waits takes nothing back.
        """
        ...

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        """The entries of a partition from offset `start` up to, not including, `end` (now's end by default).

        Streams: memory does not grow with the number of entries.
        """
        ...

    def scan(self, partition: int, end: int | None = None, start: int = 0) -> Iterator[Scanned]:
        """As `read`, from where the log itself lies and never from a copy: for who checks it.

        What is wrong with it is not mended and not passed over: without `start` it begins with the first entry,
        whatever its offset. Raises NotALedgerError where it cannot be read on.
        """
        ...

    def read_subject(self, key: str) -> Iterator[Recorded]:
        """All entries of one key, in the order in which they were appended."""
        ...

    def find(self, event_id: str) -> Recorded | None:
        """The entry of that event id, or None.

        Writers of several machines may race and leave one event in the log twice (the same key, claim and content):
        of such a repetition, which counts nowhere, the first is given.
        """
        ...

    def places(self, position: Position) -> Mapping[int, Position]:
        """Where an entry stands in each version of the log that it was in, by version: this one's and earlier ones'.

        A log that has no versions is version 1, or 0 to those that it was moved to. An entry has none of a version in
        which it was not yet recorded.
        """
        ...

    def ends(self) -> dict[int, int]:
        """For each partition the offset that the next entry will get."""
        ...

    def close(self) -> None:
        """Waits for what was submitted and lets go of the log. Repeatable."""
        ...
