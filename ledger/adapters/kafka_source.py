"""Reading one topic from given offsets, partition by partition: where it ends, and what comes next."""

import threading
from collections.abc import Iterable, Mapping

from ledger.adapters.kafka_client import Client, consumer, explained, library
from ledger.adapters.kafka_mirror import Fetched, Raw
from ledger.broker import Broker
from ledger.errors import NotALedgerError

POLL_MS = 100
TIMEOUT_MS = 10_000


class KafkaSource:
    """A topic to be read. Safe to use from many threads; one reads at a time. Connects when it is first asked."""

    def __init__(self, broker: Broker, topic: str, partitions: Iterable[int]) -> None:
        self._broker = broker
        self.name = self._topic = topic
        self._partitions = tuple(partitions)
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._at: dict[int, int] = {}
        self._wish = f"read {topic}"

    def ends(self) -> dict[int, int]:
        """For each partition the offset that the next record will get. Raises UnavailableError."""
        with self._lock, explained(self._broker, self._wish):
            client = self._connected()
            ends = client.end_offsets(list(client.assignment()), timeout_ms=TIMEOUT_MS)
        return {place.partition: end for place, end in sorted(ends.items())}

    def fetch(self, reached: Mapping[int, int]) -> list[Fetched]:
        """Some of what comes after the offsets given; [] if nothing came in a tenth of a second.

        Raises UnavailableError, and NotALedgerError if records that were there are gone.
        """
        with self._lock, explained(self._broker, self._wish):
            client, place = self._connected(), library().TopicPartition
            for partition in self._partitions:
                offset = reached.get(partition, 0)
                if self._at.get(partition) != offset:
                    client.seek(place(self._topic, partition), offset)
                    self._at[partition] = offset
            try:
                polled = client.poll(POLL_MS)
            except library().errors.OffsetOutOfRangeError as error:
                raise NotALedgerError(
                    f"the topic {self._topic} does not hold the records that come next ({error}): they were removed "
                    "from the broker; restore the topic from a backup"
                ) from error
            return [self._fetched(where.partition, records) for where, records in polled.items()]

    def _fetched(self, partition: int, records: list[Client]) -> Fetched:
        start, end = self._at[partition], records[-1].offset + 1
        self._at[partition] = end
        raws = [
            Raw(one.offset, one.timestamp, (one.key or b"").decode("utf-8", "replace"), one.value or b"", one.headers)
            for one in records
        ]
        return Fetched(partition, start, end, raws)

    def _connected(self) -> Client:
        if self._client is None:
            client = consumer(self._broker)
            client.assign([library().TopicPartition(self._topic, partition) for partition in self._partitions])
            self._client = client
        return self._client

    def close(self) -> None:
        """Lets go of the broker. Repeatable."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
