"""What passes between the worker's parts: a batch of one ledger partition, and what a fold makes of it.

A fold is a plain object that knows no broker; the worker makes one for each partition that it comes to own, and throws
it away with the partition, so it may keep whatever it wants between batches.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from schemas.topics import Table

Foreign = Any
"""An object of Faust or aiokafka of which only what is used here is known."""


class Record(Protocol):
    """An entry of a topic as the client hands it out. `timestamp` in milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Batch(NamedTuple):
    """What one poll brought of one partition: everything from offset `start` up to, not including, `end`.

    There may be fewer records than offsets, or none: a reader of committed records passes over the marks of
    transactions, and over what compaction has removed.
    """

    start: int
    end: int
    records: Sequence[Record]


class SetAside(NamedTuple):
    """An entry that cannot be folded: as much of its key as its `RejectedEntry` has, and the JSON of that one."""

    key: bytes | None
    value: bytes


class Folded(NamedTuple):
    """What a batch changes: for each table the values by key; and what was set aside. Times in milliseconds."""

    states: Mapping[Table, Mapping[bytes, bytes]]
    rejected: Sequence[SetAside]
    recorded_at: int


States = Mapping[Table, Mapping[bytes, bytes]]
"""What the three tables hold of one partition, by key; they change between batches, never during one."""


class Fold(Protocol):
    """Adds the entries of one ledger partition up, batch after batch, in order and without gaps."""

    def fold(self, records: Sequence[Record]) -> Folded:
        """What the records change. They are all new; what it returns has been stored when it is called again."""
        ...


class Folder(Protocol):
    """Makes the folds."""

    def __call__(self, partition: int, states: States, recorded_at: int) -> Fold:
        """The fold of a partition, going on from its states and the latest time recorded so far."""
        ...
