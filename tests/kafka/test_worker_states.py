"""A worker's states are those of an embedded ledger, byte for byte."""

from pathlib import Path

import pytest

from ledger.broker import Broker
from schemas.encoding import encode
from tests.controls import BARE, EVENTS
from tests.kafka.workers import MARKS, Worker, append, entries, make_topics, must_be_exact, tables, wait_for_all

pytestmark = MARKS


def test_events_of_every_type_and_nasty_histories_fold_to_the_same_bytes(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    every = [(event.subject, encode(event)) for event in (*EVENTS.values(), *BARE.values())]
    append(broker, every + [entry for seed in range(40) for entry in entries(seed)])
    with Worker(broker, tmp_path):
        wait_for_all(broker)
        append(broker, [entry for seed in range(30, 60) for entry in entries(seed, 40)])
        wait_for_all(broker)
        must_be_exact(broker)
    assert len(tables(broker).parts) > 200


def test_long_states_go_on_in_parts(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    event = EVENTS["PreferenceRevoked"]

    def some(start: int, end: int) -> list[tuple[str | None, bytes | None]]:
        own = [f"0199a0a8-3c00-7000-8000-{number:012x}" for number in range(start, end)]
        return [(event.subject, encode(event.model_copy(update={"event_id": each}))) for each in own]

    append(broker, some(0, 150))
    with Worker(broker, tmp_path):
        wait_for_all(broker)
    append(broker, some(150, 300))
    with Worker(broker, tmp_path):
        wait_for_all(broker)
    must_be_exact(broker)
    assert f"{event.subject}#4" in tables(broker).parts


def test_it_leaves_nothing_where_it_was_started(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That may be a place that it must not write to; its states are in memory and in the topics."""
    make_topics(broker)
    monkeypatch.chdir(tmp_path)
    append(broker, entries(1))
    with Worker(broker, tmp_path) as worker:
        wait_for_all(broker)
    must_be_exact(broker)
    assert list(tmp_path.iterdir()) == [worker.process.log]
