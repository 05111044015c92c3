"""`replay`: folds the log from its first event and compares with the live projections, byte for byte."""

from collections.abc import Iterator
from typing import NamedTuple

from ledger.log import Log
from projections.rebuilt import Rebuilt
from projections.view import Rejected, Store


class Difference(NamedTuple):
    """A state that is not what the log says: `missing`, `unexpected` or `different` in the live projections."""

    key: str
    what: str


class Replayed(NamedTuple):
    """What a replay found."""

    events: int
    states: int
    differences: list[Difference]
    rejected: list[Rejected]


def replay(log: Log, store: Store) -> Replayed:
    """Compares the live projections, which have caught up with the log, with a fold from its first event."""
    rebuilt = Rebuilt(log)
    states, differences = 0, []
    for found in _compared(rebuilt.all_parts(), store.all_parts()):
        states += 1
        if isinstance(found, Difference):
            differences.append(found)
    return Replayed(sum(rebuilt.watermark().values()), states, differences, list(store.rejected()))


def _compared(expected: Iterator[tuple[str, bytes]], live: Iterator[tuple[str, bytes]]) -> Iterator[Difference | None]:
    """One item a state; both sides come ordered by key."""
    there = next(live, None)
    for key, value in expected:
        while there is not None and there[0] < key:
            yield Difference(there[0], "unexpected")
            there = next(live, None)
        if there is None or there[0] != key:
            yield Difference(key, "missing")
            continue
        yield None if there[1] == value else Difference(key, "different")
        there = next(live, None)
    while there is not None:
        yield Difference(there[0], "unexpected")
        there = next(live, None)
