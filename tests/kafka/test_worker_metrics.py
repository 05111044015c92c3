"""What a worker tells about itself, beside what it did: every figure is one that the test knows by itself."""

import time
from contextlib import closing
from pathlib import Path

from ledger.adapters.kafka_client import producer
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.broker import Broker
from stack.processes import wait_until
from tests.kafka.workers import (
    LONG,
    MARKS,
    Entry,
    Worker,
    append,
    ends,
    make_topics,
    simple_entries,
    wait_for_all,
)

pytestmark = MARKS
POISON: Entry = ("f" * 32, b"not json")
PARTITIONS = range(4)
HOUR_S = 3_600
SLOW_S = 1.5
"""A worker measures once a second: once at least while it folds a batch for so long."""


def of_partitions(metrics: dict[str, float], name: str) -> dict[int, float]:
    """A gauge's values by partition."""
    values = {number: metrics.get(f'{name}{{partition="{number}"}}') for number in PARTITIONS}
    return {number: value for number, value in values.items() if value is not None}


def told_once_measured(worker: Worker) -> dict[str, float]:
    """The metrics once each partition was found at its end, which a worker looks for once a second."""
    at_the_end = dict.fromkeys(PARTITIONS, 0.0)
    wait_until(lambda: of_partitions(worker.metrics(), "lag_events") == at_the_end, LONG, "nothing is left to fold")
    return worker.metrics()


def test_a_backlog_is_counted_entry_by_entry(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    append(broker, [*simple_entries(1, 400, 40), POISON])
    with Worker(broker, tmp_path) as worker:
        wait_for_all(broker)
        first = told_once_measured(worker)
        append(broker, simple_entries(2, 30, 40))
        wait_for_all(broker)
        second = told_once_measured(worker)
    assert (first["events_folded_total"], first["rejected_total"]) == (401, 1)
    assert first["fold_seconds_sum"] > 0
    # A batch has an entry at least, and the watermarks of an idle partition are no batches.
    assert 1 <= first["fold_seconds_count"] <= 401
    assert first["fold_seconds_count"] < first["transactions_total"]
    assert of_partitions(first, "lag_seconds") == dict.fromkeys(PARTITIONS, 0.0)
    assert (second["events_folded_total"], second["rejected_total"]) == (431, 1)
    assert first["fold_seconds_count"] < second["fold_seconds_count"] <= first["fold_seconds_count"] + 30
    assert second["fold_seconds_sum"] > first["fold_seconds_sum"]
    assert sum(ends(broker).values()) == 431


def test_the_lag_is_told_while_there_is_one(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    statements, started = simple_entries(1, 4_000, 400), time.time()
    append(broker, statements)
    lags: list[float] = []
    ages: list[float] = []

    def is_told() -> bool:
        append(broker, statements)
        metrics = worker.metrics()
        lags.extend(of_partitions(metrics, "lag_events").values())
        ages.extend(of_partitions(metrics, "lag_seconds").values())
        return max(lags, default=0) > 0 and max(ages, default=0) > 0

    with Worker(broker, tmp_path) as worker:
        # It looks once a second, and may be at the end whenever it does: more comes until it was not.
        wait_until(is_told, 2 * LONG, "it tells that it is behind")
        until = time.time()
        wait_for_all(broker)
        last = told_once_measured(worker)
    appended = ends(broker)
    assert max(lags) <= max(appended.values())
    assert max(ages) <= until - started  # seconds since an entry was recorded, and none is older than the test
    assert set(of_partitions(last, "lag_seconds").values()) == {0.0}
    assert last["events_folded_total"] == sum(appended.values())
    assert last["rejected_total"] == 0


def append_as_of(broker: Broker, what: list[Entry], at: float) -> None:
    """Appends entries as if they had been recorded at a time, in seconds since 1970."""
    with closing(KafkaTopics(broker)) as topics, closing(producer(broker)) as writing:
        for kind in ("CreateTime", "LogAppendTime"):
            topics.set(broker.topics.ledger, {"message.timestamp.type": kind})
            wait_until(lambda kind=kind: _times(topics, broker) == kind, LONG, "it is so")
            for key, value in what if kind == "CreateTime" else ():
                writing.send(broker.topics.ledger, value, (key or "").encode(), timestamp_ms=int(at * 1000)).get(30)


def _times(topics: KafkaTopics, broker: Broker) -> str:
    return topics.describe()[broker.topics.ledger].settings["message.timestamp.type"]


def test_the_lag_is_how_many_entries_wait_and_since_when_they_were_recorded(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker, partitions=1)
    append_as_of(broker, simple_entries(1, 300, 40), time.time() - HOUR_S)
    told: list[tuple[float, float]] = []

    def has_told(events: int) -> bool:
        metrics = worker.metrics()
        told.append((metrics.get('lag_events{partition="0"}', -1), metrics.get('lag_seconds{partition="0"}', 0)))
        return told[-1][0] == events

    with Worker(broker, tmp_path, by=("tests.kafka.slow_fold", str(SLOW_S))) as worker:
        wait_until(lambda: has_told(300) and told[-1][1] >= HOUR_S, LONG, "it tells of a backlog of an hour")
        wait_until(lambda: has_told(0), LONG, "nothing is left to fold")
        assert told[-1][1] == 0
        told.clear()
        # The partition was idle for an hour: what comes now has not waited for so long.
        append(broker, simple_entries(2, 300, 40), partitions=1)
        wait_until(lambda: not has_told(0) and told[-1][0] > 0, LONG, "it tells of what has come")
        wait_until(lambda: has_told(0), LONG, "nothing is left to fold")
    assert max(seconds for _events, seconds in told) < HOUR_S
