"""Every event of the log, in order: what questions about all of history go through."""

from collections.abc import Iterator

from ledger.log import Log, Recorded
from schemas.encoding import UnreadableEvent, decode
from schemas.events import Event


def every_event(log: Log) -> Iterator[tuple[Recorded, Event]]:
    """All events, partition by partition; what is no event is passed over here and reported by `doctor`."""
    for partition, end in log.ends().items():
        for recorded in log.read(partition, 0, end):
            try:
                yield recorded, decode(recorded.value)
            except UnreadableEvent:
                continue
