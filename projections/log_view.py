"""States folded on demand from the log itself: always as fresh as the log, at the cost of one subject's history.

The embedded ledger answers questions about single subjects from it, and audits ask it what was known at an earlier
watermark; nothing is kept, so nothing can be stale.
"""

from collections.abc import Iterable, Mapping, Sequence

from ledger.log import Log, Recorded
from projections.fold import fold
from projections.statement import Fields
from schemas.encoding import UnreadableEvent, decode


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


def folded(history: Iterable[Recorded]) -> list[Fields]:
    """The parts that the entries of one subject fold to; what is no event is passed over, as in every projection."""
    parts: list[Fields] = []
    for recorded in history:
        try:
            event = decode(recorded.value)
        except UnreadableEvent:
            continue
        for part in fold(parts[0] if parts else None, parts[-1] if parts else None, recorded, event):
            parts[part["part"] :] = [part, *parts[part["part"] + 1 :]]
    return parts
