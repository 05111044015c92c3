"""The batch driver: reads the log from where a store stands, folds, and writes states and watermark together.

A crash anywhere leaves the store at its last watermark, from where the next run goes on; folding an event again
changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from ledger.log import Log, Recorded
from projections.fold import fold, key_of
from projections.statement import Fields
from projections.view import Rejected, Store
from schemas.encoding import UnreadableEvent, decode
from schemas.events import Event
from schemas.states import part_key

BATCH = 50_000
"""How many events are folded between two writes; bounds memory, and what a crash folds again."""


def catch_up(log: Log, store: Store, progress: Callable[[int], None] = lambda _events: None) -> int:
    """Brings a store up to the end that the log had when it was called; returns how many events it folded.

    Another process may catch up at the same time: whoever comes second throws its batch away and goes on from
    where the first has come to.
    """
    ends = log.ends()
    events = 0
    for partition, end in ends.items():
        while (start := store.watermark().get(partition, 0)) < end:
            batch = list(islice(log.read(partition, start, end), BATCH))
            reached = batch[-1].position.offset + 1 if batch else end
            if _fold_into(store, batch, partition, reached):
                events += len(batch)
                progress(len(batch))
    return events


def _fold_into(store: Store, batch: list[Recorded], partition: int, reached: int) -> bool:
    seen = dict(store.watermark())
    readable, rejected = _decoded(batch)
    states = store.parts_of_many(sorted({recorded.key for recorded, _ in readable}))
    changed = fold_batch(readable, states)
    return store.write(changed, rejected, seen, seen | {partition: reached})


def _decoded(batch: list[Recorded]) -> tuple[list[tuple[Recorded, Event]], list[Rejected]]:
    readable, rejected = [], []
    for recorded in batch:
        try:
            event = decode(recorded.value)
        except UnreadableEvent as error:
            rejected.append(Rejected(recorded.position, recorded.key, str(error)))
            continue
        if event.subject != recorded.key:
            rejected.append(Rejected(recorded.position, recorded.key, f"its subject {event.subject!r} is not its key"))
        else:
            readable.append((recorded, event))
    return readable, rejected


def fold_batch(batch: list[tuple[Recorded, Event]], states: Mapping[str, Sequence[Fields]]) -> dict[str, Fields]:
    """The parts that a batch changes, by key; `states` holds the first and last part of every subject in it."""
    changed: dict[str, Fields] = {}
    ends = {subject: (parts[0], parts[-1]) for subject, parts in states.items() if parts}
    for recorded, event in batch:
        first, last = ends.get(recorded.key, (None, None))
        for part in fold(first, last, recorded, event):
            changed[key_of(part)] = part
            first = part if part["part"] == 0 else first
            last = part
        if first is not None and last is not None:
            ends[recorded.key] = (first, last)
    return changed


def rebuilt(log: Log) -> Iterator[tuple[str, Fields]]:
    """Every part, folded from the first event in one pass in memory, ordered by key: what `replay` compares with."""
    states: dict[str, list[Fields]] = {}
    for partition, end in log.ends().items():
        entries = log.read(partition, 0, end)
        while batch := list(islice(entries, BATCH)):
            readable, _ = _decoded(batch)
            for part in fold_batch(readable, states).values():
                kept = states.setdefault(part["subject"], [])
                kept[part["part"] :] = [part, *kept[part["part"] + 1 :]]
    for subject in sorted(states):
        for number, part in enumerate(states[subject]):
            yield part_key(subject, number), part
