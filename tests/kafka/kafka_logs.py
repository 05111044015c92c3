"""Logs on a real broker, for tests: topics of a prefix of their own, and mirrors in given files."""

import uuid
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_people import KafkaPeople
from ledger.adapters.kafka_topics import Described, KafkaTopics, Layout
from ledger.broker import Broker
from schemas.topics import Topics


class Place(NamedTuple):
    """Topics that were made, and the folder of a machine that mirrors them."""

    broker: Broker
    folder: Path
    there: dict[str, Described]

    def log(self, machine: str = "one", **options: float) -> KafkaLog:
        """The log as a machine has it."""
        topic = self.there[self.broker.topics.ledger]
        return KafkaLog(self.broker, self.folder / f"{machine}.db", topic.partitions, topic.topic_id, **options)

    def people(self, key: bytes, machine: str = "one", **options: float) -> KafkaPeople:
        """The erasable stores as a machine has them."""
        identities, evidence = (
            self.there[name] for name in (self.broker.topics.identities, self.broker.topics.evidence)
        )
        path = self.folder / f"{machine}-people.db"
        ids = (identities.topic_id, evidence.topic_id)
        return KafkaPeople(self.broker, path, key, identities.partitions, ids, **options)


def new_place(address: str, folder: Path, partitions: int = 1) -> Place:
    """New topics at a broker."""
    broker = Broker((address,), Topics(f"t-{uuid.uuid4().hex[:12]}"))
    folder.mkdir(parents=True, exist_ok=True)
    with closing(KafkaTopics(broker)) as topics:
        topics.create(Layout(partitions=partitions, replication_factor=1))
        return Place(broker, folder, topics.check())
