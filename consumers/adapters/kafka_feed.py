"""The three tables, and the ends of the ledger, as kafka-python reads them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from consumers.gateway.ports import Place
from consumers.replica.errors import OutrunError
from ledger.adapters.kafka_client import admin, consumer, explained, library, missing
from ledger.broker import Broker
from ledger.errors import UnavailableError
from schemas.topics import TABLES, Table

READING = "read the tables"
ASKING = "ask where the ledger ends"
ASK_MS = 2_000
IDLE_MS = 50


class KafkaFeed:
    """The port `consumers.gateway.ports.Feed`."""

    def __init__(self, broker: Broker) -> None:
        """Raises UnavailableError, and NotALedgerError where a topic is missing."""
        self._broker = broker
        self._table_of = {broker.topics.table(table): table for table in TABLES}
        with explained(broker, READING):
            self._consumer = consumer(broker, isolation_level="read_committed", fetch_max_wait_ms=IDLE_MS)
            counts = {len(self._consumer.partitions_for_topic(topic) or ()) for topic in self._table_of}
        if counts == {0} or len(counts) != 1:
            self.close()
            raise missing(broker)
        self.partitions: int = counts.pop()
        self._places = {
            library().TopicPartition(topic, partition): Place(table, partition)
            for topic, table in self._table_of.items()
            for partition in range(self.partitions)
        }
        self._topics = {place: topic for topic, place in self._places.items()}
        self._consumer.assign(list(self._places))
        for topic in self._places:
            self._consumer.seek(topic, 0)
            self._consumer.pause(topic)

    def topics(self) -> dict[Table, str]:
        """By a connection of its own: a consumer goes by what it heard minutes ago."""
        with explained(self._broker, READING), closing(admin(self._broker)) as asking:
            described = asking.describe_topics(list(self._table_of))
        found = {self._table_of[one["name"]]: str(one["topic_id"]) for one in described if not one["error_code"]}
        if len(found) != len(self._table_of):
            raise UnavailableError(f"the broker {self._broker.name} does not say which topics the tables are now")
        return found

    def ends(self) -> dict[Place, int]:
        """The last stable offsets."""
        return self._named(self._consumer.end_offsets)

    def beginnings(self) -> dict[Place, int]:
        """The first offsets."""
        return self._named(self._consumer.beginning_offsets)

    def _named(self, asked: Callable[..., Mapping[Any, int]]) -> dict[Place, int]:
        found = _offsets(self._broker, READING, asked, list(self._places))
        return {self._places[topic]: offset for topic, offset in found.items()}

    def follow(self, positions: Mapping[Place, int]) -> None:
        """Pauses the others: of a topic that is not assigned the client forgets where its partitions are."""
        with explained(self._broker, READING):
            for topic, place in self._places.items():
                if place in positions:
                    if self._consumer.position(topic) != positions[place]:
                        self._consumer.seek(topic, positions[place])
                    self._consumer.resume(topic)
                else:
                    self._consumer.pause(topic)

    def poll(self, seconds: float) -> Sequence[tuple[Place, Sequence[Any]]]:
        """What has come."""
        try:
            with explained(self._broker, READING):
                found = self._consumer.poll(timeout_ms=int(seconds * 1000))
        except Exception as error:
            if isinstance(error.__cause__, library().errors.OffsetOutOfRangeError):
                raise OutrunError("records that were not read yet are no longer kept; load the copy again") from error
            raise
        return [(self._places[topic], records) for topic, records in found.items()]

    def position(self, place: Place) -> int:
        """Where `poll` goes on."""
        with explained(self._broker, READING):
            return int(self._consumer.position(self._topics[place], timeout_ms=ASK_MS))

    def close(self) -> None:
        """Lets go of the broker."""
        self._consumer.close(autocommit=False)


class KafkaLedgerEnds:
    """The port `consumers.gateway.ports.LedgerEnds`."""

    def __init__(self, broker: Broker) -> None:
        """Raises UnavailableError."""
        self._broker = broker
        with explained(broker, ASKING):
            self._consumer = consumer(broker, request_timeout_ms=ASK_MS)
            partitions = self._consumer.partitions_for_topic(broker.topics.ledger)
        if not partitions:
            self.close()
            raise missing(broker)
        self._topics = [library().TopicPartition(broker.topics.ledger, partition) for partition in partitions]

    def ends(self) -> dict[int, int]:
        """The high watermarks."""
        found = _offsets(self._broker, ASKING, self._consumer.end_offsets, self._topics)
        return {topic.partition: offset for topic, offset in found.items()}

    def close(self) -> None:
        """Lets go of the broker."""
        self._consumer.close(autocommit=False)


def _offsets(
    broker: Broker, wish: str, asked: Callable[..., Mapping[Any, int]], places: list[Any]
) -> Mapping[Any, int]:
    """Of all of these places, or UnavailableError: kafka-python leaves out those whose leader it does not know."""
    try:
        with explained(broker, wish):
            found = asked(places, timeout_ms=ASK_MS)
    except KeyError as error:
        raise UnavailableError(f"the broker {broker.name} does not say who leads {error}; it is asked again") from error
    return found
