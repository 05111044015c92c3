"""The log on a real broker keeps to what every log promises."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_topics import KafkaTopics, Layout
from ledger.broker import Broker
from tests.contracts.log import LogContract

pytestmark = pytest.mark.kafka


def opened(broker: Broker, folder: Path, partitions: int = 1) -> KafkaLog:
    """A log on topics that are made where they are missing."""
    topics = KafkaTopics(broker)
    try:
        topics.create(Layout(partitions=partitions, replication_factor=1))
        ledger = topics.check()[broker.topics.ledger]
    finally:
        topics.close()
    return KafkaLog(broker, folder / "mirror.db", ledger.partitions, ledger.topic_id)


class TestOnePartition(LogContract):
    """With one partition."""

    @pytest.fixture
    def log(self, broker: Broker, tmp_path: Path) -> Iterator[KafkaLog]:
        log = opened(broker, tmp_path)
        yield log
        log.close()


class TestFivePartitions(LogContract):
    """With five."""

    @pytest.fixture
    def log(self, broker: Broker, tmp_path: Path) -> Iterator[KafkaLog]:
        log = opened(broker, tmp_path, 5)
        yield log
        log.close()
