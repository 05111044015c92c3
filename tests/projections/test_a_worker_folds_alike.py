"""A worker's fold without its broker: however a log is cut into batches, and whatever is forgotten in between."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

import orjson
import pytest

from ledger.log import Position, Recorded
from projections.adapters.faust_fold import LARGEST_PART, ProductFold
from projections.adapters.memory_view import MemoryView
from projections.catch_up import catch_up
from schemas.encoding import encode
from schemas.events import Event
from schemas.topics import TABLES, Table
from tests.controls import POLICY, event, event_id
from tests.histories import history

TOPIC = "preferences.ledger.v1"


class Told(NamedTuple):
    """A record as a client hands it out."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class OnePartition:
    """A log of one partition."""

    def __init__(self, records: Sequence[Told]) -> None:
        self._entries: list[Recorded] = []
        at = 0
        for record in records:
            at = max(at, record.timestamp)
            assert record.key is not None
            assert record.value is not None
            self._entries.append(Recorded(Position(0, record.offset), at, record.key.decode(), record.value))

    def ends(self) -> dict[int, int]:
        return {0: len(self._entries)}

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        return iter(self._entries[start:end])


def folded_in_batches(records: Sequence[Told], rng: Random, kept: int | None) -> tuple[dict[str, bytes], list[Any]]:
    """States and what was set aside, after batches of random sizes and some restarts."""
    tables: dict[Table, dict[bytes, bytes]] = {name: {} for name in TABLES}
    fold = ProductFold(TOPIC, 0, tables, 0, kept)
    aside: list[Any] = []
    start = 0
    while start < len(records):
        end = start + rng.randint(1, 40)
        found = fold.fold(records[start:end])
        for name, states in found.states.items():
            tables[name].update(states)
        aside += [orjson.loads(each.value) for each in found.rejected]
        if rng.random() < 0.2:
            fold = ProductFold(TOPIC, 0, tables, found.recorded_at, kept)
        start = end
    return {key.decode(): value for table in tables.values() for key, value in table.items()}, aside


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kept", [2, None])
def test_any_batches_and_restarts_give_the_embedded_states(seed: int, kept: int | None) -> None:
    rng = Random(seed)
    facts = [fact for each in range(5) for fact in history(Random(100 * seed + each), 120).facts]
    # Clocks that run backwards: `recorded_at` never does.
    times = [fact.recorded_at + rng.randint(-2, 2) for fact in facts]
    records = [
        Told(offset, at, fact.event.subject.encode(), encode(fact.event))
        for offset, (fact, at) in enumerate(zip(facts, times, strict=True))
    ]
    view, log = MemoryView(), OnePartition(records)
    catch_up(log, view)  # type: ignore[arg-type]
    assert folded_in_batches(records, rng, kept) == (dict(view.all_parts()), [])


def test_an_entry_that_would_make_a_state_too_large_is_refused_wherever_batches_end() -> None:
    events = [_policy(number, brands=4_000 if number % 3 else 1) for number in range(90)]
    records = [
        Told(number, 1_790_000_000_000, event.subject.encode(), encode(event)) for number, event in enumerate(events)
    ]
    outcomes = {str(folded_in_batches(records, Random(seed), kept)) for seed in range(4) for kept in (2, None)}
    assert len(outcomes) == 1
    states, aside = folded_in_batches(records, Random(9), 2)
    assert all(len(value) < LARGEST_PART + 1_000 for value in states.values())
    assert 0 < len(aside) < 60
    assert all("larger than" in each["reason"] for each in aside)


def _policy(number: int, brands: int) -> Event:
    policy = POLICY.model_copy(update={"brands": tuple(f"brand-{each}" for each in range(brands))})
    return event("PolicyPublished", event_id=event_id(number), policy=policy.model_copy(update={"brand": "brand-0"}))
