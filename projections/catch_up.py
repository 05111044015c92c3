"""The batch driver: reads the log from where a store stands, folds, and writes states and watermark together.

A crash anywhere leaves the store at its last watermark, from where the next run goes on; folding an event again
changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from ledger.log import Log, Recorded
from projections.collecting import rarely
from projections.fold import Part, fold, key_of
from projections.reading import read
from projections.statement import Fields
from projections.view import Rejected, Store
from schemas.encoding import UnreadableEvent

BATCH = 20_000
"""How many events are folded between two writes; bounds memory, and what a crash folds again."""


def catch_up(log: Log, store: Store, progress: Callable[[int], None] = lambda _events: None) -> int:
    """Brings a store up to the end that the log had when it was called; returns how many events it folded.

    Another process may catch up at the same time: whoever comes second throws its batch away and goes on from
    where the first has come to.
    """
    with rarely():
        return sum(_catch_up(log, store, partition, end, progress) for partition, end in log.ends().items())


def _catch_up(log: Log, store: Store, partition: int, end: int, progress: Callable[[int], None]) -> int:
    events = 0
    while (seen := dict(store.watermark())).get(partition, 0) < end:
        batch = list(islice(log.read(partition, seen.get(partition, 0), end), BATCH))
        reached = batch[-1].position.offset + 1 if batch else end
        if _fold_into(store, batch, seen, seen | {partition: reached}):
            events += len(batch)
            progress(len(batch))
    return events


def _fold_into(store: Store, batch: list[Recorded], seen: Mapping[int, int], reached: Mapping[int, int]) -> bool:
    rejected: list[Rejected] = []
    states = store.parts_of_many(sorted({recorded.key for recorded in batch}))
    changed = fold_batch(events_in(batch, rejected), states)
    return store.write(changed, rejected, seen, reached)


def events_in(batch: Iterable[Recorded], rejected: list[Rejected]) -> Iterator[tuple[Recorded, Fields]]:
    """The events of a batch one by one, as a fold reads them; what in it is no event of its key goes to `rejected`.

    One by one, because an event that is folded as soon as it was read is still in the processor's cache.
    """
    for recorded in batch:
        try:
            event = read(recorded.value)
        except UnreadableEvent as error:
            rejected.append(Rejected(recorded.position, recorded.key, str(error)))
            continue
        if event["subject"] == recorded.key:
            yield recorded, event
        else:
            reason = f"its subject {event['subject']!r} is not its key"
            rejected.append(Rejected(recorded.position, recorded.key, reason))


def fold_batch(batch: Iterable[tuple[Recorded, Fields]], states: Mapping[str, Sequence[Part]]) -> dict[str, Part]:
    """The parts that a batch changes, by key; `states` holds the first and last part of every subject in it."""
    changed: dict[str, Part] = {}
    ends: dict[str, tuple[Part | None, Part | None]] = {}
    for recorded, event in batch:
        key = recorded.key
        if key not in ends:
            parts = states.get(key)
            ends[key] = (parts[0], parts[-1]) if parts else (None, None)
        first, last = ends[key]
        for part in fold(first, last, recorded, event):
            changed[key_of(part)] = part
            first = part if part.part == 0 else first
            last = part
        ends[key] = (first, last)
    return changed
