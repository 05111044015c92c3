"""The events of the log, in order: what questions about all of history, or about one subject, go through."""

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


def events_of(log: Log, subject: str) -> Iterator[tuple[Recorded, Event]]:
    """The events of one subject (by reference), in order; what is no event of it is passed over as well."""
    for recorded in log.read_subject(subject):
        try:
            event = decode(recorded.value)
        except UnreadableEvent:
            continue
        if event.subject == subject:
            yield recorded, event
