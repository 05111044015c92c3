"""The gateways' receipts, read from their topic in the order in which they were told."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from consumers.confirmation import Told
from ledger.adapters.kafka_client import consumer, explained, producer
from ledger.broker import Broker
from schemas.distributed import Receipt

CLOCK_KEY = b"~clock"
POLL_MS = 100
WAIT_S = 10.0


class KafkaReceipts:
    """The port `consumers.confirm.Receipts` on a topic of one partition. Not for several threads."""

    def __init__(self, broker: Broker) -> None:
        """Raises UnavailableError."""
        self._broker = broker
        self._topic = broker.topics.receipts
        with explained(broker, "read the receipts"):
            self._consumer = consumer(broker, isolation_level="read_committed", fetch_max_wait_ms=50)

    def since(self, at: int) -> None:
        """The next call of `told` begins with the first receipt told at a time (milliseconds) or later."""
        from kafka import TopicPartition

        place = TopicPartition(self._topic, 0)
        with explained(self._broker, "read the receipts"):
            self._consumer.assign([place])
            found = self._consumer.offsets_for_times({place: max(at, 0)})[place]
            if found is None:
                self._consumer.seek_to_end(place)
            else:
                self._consumer.seek(place, found.offset)

    def told(self) -> Iterator[Told]:
        """All that was told up to now, from where the last call came to."""
        with explained(self._broker, "read the receipts"):
            [place] = self._consumer.assignment()
            end = self._consumer.end_offsets([place])[place]
            while self._consumer.position(place) < end:
                for records in self._consumer.poll(timeout_ms=POLL_MS).values():
                    yield from filter(None, map(_told, records))

    def now(self) -> int:
        """The broker's clock, in milliseconds: a record that says nothing is appended, and its time is asked."""
        with explained(self._broker, "ask the broker's time"), producer(self._broker) as asking:
            stored = asking.send(self._topic, key=CLOCK_KEY, value=b"{}", partition=0).get(WAIT_S)
            return int(stored.timestamp)

    def close(self) -> None:
        """Lets go of the topic."""
        self._consumer.close()


def _told(record: Any) -> Told | None:  # noqa: ANN401  # kafka-python has no types
    """A receipt; None for what is none: it is passed over, since a gateway that tells nonsense has told nothing."""
    if record.key == CLOCK_KEY:
        return None
    try:
        return Told(Receipt.model_validate_json(record.value or b""), int(record.timestamp))
    except ValidationError:
        return None
