"""A log that holds the facts of a generated history, to be asked what it knew at any watermark."""

from collections.abc import Iterator, Mapping, Sequence

from ledger.log import Position, Recorded
from tests.projections.folding import recorded
from tests.reference_model import Fact


class FactsLog:
    """As much of `ledger.log.Log` as questions need."""

    def __init__(self, facts: Sequence[Fact], partitions: int) -> None:
        self.partitions = partitions
        self._entries = [recorded(fact) for fact in facts]

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        """See the port."""
        for entry in self._entries:
            place, offset = entry.position
            if place == partition and start <= offset and (end is None or offset < end):
                yield entry

    def read_subject(self, key: str) -> Iterator[Recorded]:
        """See the port."""
        return (entry for entry in self._entries if entry.key == key)

    def find(self, event_id: str) -> Recorded | None:
        """See the port."""
        return next((entry for entry in self._entries if f'"event_id":"{event_id}"'.encode() in entry.value), None)

    def places(self, position: Position) -> Mapping[int, Position]:
        """See the port."""
        return {1: position}

    def ends(self) -> dict[int, int]:
        """See the port."""
        found = dict.fromkeys(range(self.partitions), 0)
        for entry in self._entries:
            found[entry.position.partition] = max(found[entry.position.partition], entry.position.offset + 1)
        return found
