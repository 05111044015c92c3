"""Somebody has changed a setting of a topic: neither a worker nor a gateway starts on it, and both say which it is."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.adapters.kafka_client import admin
from ledger.adapters.kafka_topics import KafkaTopics, Layout
from ledger.broker import Broker
from stack.processes import wait_until
from tests.consumers.commands import Commands
from tests.kafka.gateways import Ran
from tests.kafka.workers import LONG, MARKS, Worker, append, make_topics, simple_entries, tables

pytestmark = MARKS


class Drift(NamedTuple):
    """A setting that somebody gave a topic, and what a ledger needs there."""

    topic: str
    setting: str
    found: str
    needed: str


DRIFTS = [
    Drift("ledger", "message.timestamp.type", "CreateTime", "LogAppendTime"),
    Drift("ledger", "cleanup.policy", "compact", "delete"),
    Drift("ledger", "retention.ms", "604800000", "-1"),
    Drift("by-account", "cleanup.policy", "delete", "compact"),
    Drift("by-number", "min.compaction.lag.ms", "0", "120000"),
]


def drifted(broker: Broker, drift: Drift) -> str:
    """Makes it so; the topic's name."""
    name = f"{broker.topics.prefix}.{drift.topic}.v1"
    with closing(KafkaTopics(broker)) as topics:
        topics.set(name, {drift.setting: drift.found})
        wait_until(lambda: topics.describe()[name].settings[drift.setting] == drift.found, LONG, "it is so")
    return name


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: f"{drift.topic}-{drift.setting}")
def test_a_process_that_starts_refuses_a_topic_with_a_wrong_setting_and_names_it(
    drift: Drift, broker: Broker, tmp_path: Path
) -> None:
    make_topics(broker)
    append(broker, simple_entries(1, 10, 5))
    name = drifted(broker, drift)
    for process in (Worker(broker, tmp_path).process, Ran(broker, tmp_path / "home").process):
        wait_until(lambda process=process: process.code is not None, LONG, "it ends")
        assert process.code == 2
        wrong = f"the topic {name} has {drift.setting}={drift.found}, and a ledger needs {drift.needed}"
        assert wrong in process.said()
    found = tables(broker)
    assert (found.parts, found.marks) == ({}, {})  # they looked before they wrote


def test_a_worker_checks_at_every_start_and_not_only_at_its_first(broker: Broker, tmp_path: Path) -> None:
    make_topics(broker)
    with Worker(broker, tmp_path) as worker:
        worker.wait_until_ready()
    assert worker.process.code == 0
    drifted(broker, DRIFTS[0])
    again = Worker(broker, tmp_path)
    wait_until(lambda: again.process.code is not None, LONG, "it ends")
    assert again.process.code == 2
    assert f"has {DRIFTS[0].setting}={DRIFTS[0].found}" in again.process.said()


@pytest.mark.parametrize("max_staleness", [1, 29, 300])
def test_topics_are_made_as_they_are_wanted_however_short_a_policy_lets_copies_grow_old(
    max_staleness: int, broker: Broker
) -> None:
    with closing(KafkaTopics(broker)) as topics:
        topics.create(Layout(partitions=1, replication_factor=1, max_staleness=max_staleness))
        topics.check()


def test_whoever_looks_at_the_topics_is_told_which_setting_is_wrong(broker: Broker, typed: Commands) -> None:
    make_topics(broker)
    assert typed.json("topics", "describe")["wrong"] == []
    drift = DRIFTS[-1]
    wrong = f"the topic {drifted(broker, drift)} has {drift.setting}={drift.found}, and a ledger needs {drift.needed}"
    assert typed.json("topics", "describe", code=1)["wrong"] == [wrong]
    answer = typed("topics", "describe")
    assert (answer.code, answer.out.splitlines()[-1]) == (1, f"problem  {wrong}")


def give_partitions(broker: Broker, count: int, *names: str) -> None:
    """Somebody gives topics so many partitions with Kafka's own tools."""
    with closing(admin(broker)) as altering, closing(KafkaTopics(broker)) as topics:
        altering.create_partitions(dict.fromkeys(names, count))
        wait_until(lambda: {topics.describe()[name].partitions for name in names} == {count}, LONG, "it is so")


@pytest.mark.parametrize("topic", ["identities", "evidence"])
def test_whoever_opens_a_ledger_refuses_topics_in_which_a_tombstone_would_miss_what_it_erases(
    topic: str, broker: Broker, typed: Commands
) -> None:
    make_topics(broker)
    name = f"{broker.topics.prefix}.{topic}.v1"
    give_partitions(broker, 8, name)
    wrong = f"the topic {name} has 8 partitions, and a ledger needs 6"
    assert typed.json("topics", "describe", code=1)["wrong"] == [wrong]
    assert wrong in typed("policy", "show").err


def test_neither_a_worker_nor_a_door_starts_on_a_ledger_whose_topics_all_got_more_partitions(
    broker: Broker, typed: Commands, tmp_path: Path
) -> None:
    assert typed("topics", "create", "--partitions", "2", "--replication-factor", "1").code == 0
    assert typed("policy", "show").code == 0
    topics = broker.topics
    give_partitions(broker, 4, topics.ledger, topics.rejected, *topics.tables.values())
    wrong = f"the topic {topics.ledger} has 4 partitions, and the ledger was opened with 2"
    answer = typed("policy", "show")
    assert (answer.code, wrong in answer.err) == (2, True)
    worker = Worker(broker, tmp_path)
    wait_until(lambda: worker.process.code is not None, LONG, "it ends")
    assert worker.process.code == 2
    assert wrong in worker.process.said()
