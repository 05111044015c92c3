"""States folded on demand from the log itself: always as fresh as the log, at the cost of one subject's history.

The embedded ledger answers questions about single subjects from it, and audits ask it what was known at an earlier
watermark; nothing is kept, so nothing can be stale.
"""

from collections.abc import Iterable, Mapping, Sequence

from ledger.log import Log, Recorded
from projections.catch_up import events_in
from projections.fold import Part, fold_upon, to_fields
from projections.statement import Fields


class LogView:
    """A view of the log as known at a watermark; by default at its end when the view is made."""

    def __init__(self, log: Log, known: Mapping[int, int] | None = None) -> None:
        self._log = log
        self._known = dict(log.ends() if known is None else known)

    def parts(self, subject: str) -> Sequence[Fields]:
        """The parts of one subject's state."""
        return folded(recorded for recorded in self._log.read_subject(subject) if self._is_known(recorded))

    def _is_known(self, recorded: Recorded) -> bool:
        partition, offset = recorded.position
        return offset < self._known.get(partition, 0)

    def watermark(self) -> Mapping[int, int]:
        """The watermark that the view was made for."""
        return self._known


def known_at(log: Log, time: int) -> dict[int, int]:
    """The watermark of what had been recorded by a time (milliseconds), in every partition."""
    return {partition: _first_after(log, partition, end, time) for partition, end in log.ends().items()}


def _first_after(log: Log, partition: int, end: int, time: int) -> int:
    """The first offset recorded after a time: the log's clock never runs backwards, so a binary search finds it."""
    low, high = 0, end
    while low < high:
        middle = (low + high) // 2
        recorded = next(iter(log.read(partition, middle, high)), None)
        if recorded is None or recorded.recorded_at > time:
            high = middle
        else:
            low = recorded.position.offset + 1
    return low


def folded(history: Iterable[Recorded]) -> list[Fields]:
    """The parts that the entries of one subject fold to; what is no event is passed over, as in every projection."""
    parts: list[Part] = []
    for recorded, event in events_in(history, []):
        fold_upon(parts, recorded, event)
    return [to_fields(part) for part in parts]
