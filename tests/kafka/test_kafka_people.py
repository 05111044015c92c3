"""The erasable stores on a real broker keep to what all of them promise."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.kafka_people import KafkaPeople
from ledger.adapters.kafka_topics import KafkaTopics, Layout
from ledger.broker import Broker
from tests.contracts.people import PeopleContract

pytestmark = pytest.mark.kafka


def opened(broker: Broker, path: Path, key: bytes) -> KafkaPeople:
    """A store on topics that are made where they are missing."""
    topics = KafkaTopics(broker)
    try:
        topics.create(Layout(partitions=1, replication_factor=1))
        there = topics.check()
    finally:
        topics.close()
    identities, evidence = there[broker.topics.identities], there[broker.topics.evidence]
    return KafkaPeople(broker, path, key, identities.partitions, (identities.topic_id, evidence.topic_id))


class TestKafkaPeople(PeopleContract):
    """The suite."""

    @pytest.fixture
    def people(self, broker: Broker, tmp_path: Path) -> Iterator[KafkaPeople]:
        people = opened(broker, tmp_path / "people.db", os.urandom(32))
        yield people
        people.close()
