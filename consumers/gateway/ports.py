"""What a gateway needs of the broker; `consumers/adapters/` has each of it on Kafka.

Everything that reaches for the broker may raise UnavailableError, and the caller tries again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ledger.log import Appended, Entry
from schemas.distributed import LoggedDecision, Receipt, RejectedEntry
from schemas.topics import Table


class Place(NamedTuple):
    """A partition of one of the three tables."""

    table: Table
    partition: int


class Record(Protocol):
    """A record of a table, as it was written."""

    @property
    def offset(self) -> int:
        """Where it stands in its partition."""
        ...

    @property
    def key(self) -> bytes | None:
        """A subject, a part of its state, or `~watermark/P`."""
        ...

    @property
    def value(self) -> bytes | None:
        """A part of a state, or a watermark."""
        ...


class Feed(Protocol):
    """The committed records of the three tables, partition by partition in order. Of one thread."""

    @property
    def partitions(self) -> int:
        """How many partitions each of the tables has, and the ledger."""
        ...

    def topics(self) -> dict[Table, str]:
        """Which topics the tables are at this moment, by ids that no other topic ever gets, whatever its name."""
        ...

    def ends(self) -> dict[Place, int]:
        """Up to where (exclusive) records are committed now."""
        ...

    def beginnings(self) -> dict[Place, int]:
        """The first offsets that are kept."""
        ...

    def follow(self, positions: Mapping[Place, int]) -> None:
        """From now on `poll` brings these partitions, each from its position, and no others.

        Raises OutrunError, then or at a later `poll`, for a position that is no longer kept.
        """
        ...

    def poll(self, seconds: float) -> Sequence[tuple[Place, Sequence[Record]]]:
        """What has come; waits for so long where nothing has."""
        ...

    def position(self, place: Place) -> int:
        """The offset that comes next, past all that `poll` has brought and what readers never see."""
        ...

    def close(self) -> None:
        """Lets go of the broker."""
        ...


class LedgerEnds(Protocol):
    """The ends of the ledger. Of one thread."""

    def ends(self) -> dict[int, int]:
        """For each partition of the ledger the offset that its next entry will get. Waits a few seconds at most."""
        ...

    def close(self) -> None:
        """Lets go of the broker."""
        ...


class Receipts(Protocol):
    """Where a gateway says how far it is. Of one thread."""

    def tell(self, receipt: Receipt) -> int:
        """Appends a receipt and returns, once the broker has it, its time there (ms); waits a few seconds at most."""
        ...

    def close(self) -> None:
        """Lets go of the broker."""
        ...


class DecisionsOut(Protocol):
    """Where decisions are written. Of one thread."""

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """Appends them and returns once the broker has them all."""
        ...

    def close(self) -> None:
        """Lets go of the broker."""
        ...


class Appender(Protocol):
    """The end of the ledger."""

    def append(self, entries: Sequence[Entry]) -> list[Appended]:
        """Appends entries and returns once they are stored."""
        ...

    def close(self) -> None:
        """Lets go of the broker."""
        ...


class RejectedOut(Protocol):
    """Where a record that cannot be read is set aside."""

    def reject(self, entry: RejectedEntry) -> None:
        """Appends it."""
        ...

    def close(self) -> None:
        """Lets go of the broker."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """How a gateway gets at each of them: connecting is tried again until it works."""

    feed: Callable[[], Feed]
    ends: Callable[[], LedgerEnds]
    receipts: Callable[[], Receipts]
    appender: Callable[[], Appender]
    rejected: Callable[[], RejectedOut]
    decisions: Callable[[], DecisionsOut] | None = None
    """None where decisions are not logged."""
    table_name: Callable[[Table], str] = str
    ledger_version: int = 1
    """Of the topics: what offsets of the ledger are offsets of."""
