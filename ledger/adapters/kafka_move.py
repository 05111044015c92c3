"""Filling the ledger topic with entries that were recorded elsewhere: their times, keys and values stay as they are.

While it is filled the topic takes the times that it is given (CreateTime), and no ledger opens on it: its settings are
not those of a ledger. At the end it stamps what comes, like any other (LogAppendTime).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from ledger.adapters.kafka_catch_up import STALLED
from ledger.adapters.kafka_entry import origin_headers
from ledger.adapters.kafka_source import KafkaSource
from ledger.adapters.kafka_topics import Described, KafkaTopics
from ledger.adapters.kafka_writer import KafkaWriter, Record
from ledger.broker import Broker
from ledger.errors import UnavailableError
from ledger.log import Position, Recorded
from schemas.topics import partition_of

TIMES = "message.timestamp.type"
POLLS_WITHOUT_ANYTHING = int(STALLED * 10)


class KafkaMove:
    """The topic to be filled; nobody else may write to it meanwhile."""

    def __init__(self, broker: Broker, there: Mapping[str, Described]) -> None:
        """`there`: the topics as they are described."""
        self._broker = broker
        self._topic = broker.topics.ledger
        self.partitions = there[self._topic].partitions
        self._writer = KafkaWriter(broker, f"fill {self._topic}")

    def begin(self) -> None:
        """From now on the topic takes the times that it is given. Raises UnavailableError."""
        self._set("CreateTime")

    def finish(self) -> None:
        """From now on it stamps what comes. Raises UnavailableError."""
        self._set("LogAppendTime")

    def _set(self, times: str) -> None:
        with closing(KafkaTopics(self._broker)) as topics:
            topics.set(self._topic, {TIMES: times})

    def held(self) -> Iterator[Recorded]:
        """What the topic holds now, each partition in its order. Raises UnavailableError."""
        with closing(KafkaSource(self._broker, self._topic, range(self.partitions))) as source:
            ends = source.ends()
            reached = dict.fromkeys(ends, 0)
            silent = 0
            while any(reached[partition] < end for partition, end in ends.items()):
                fetched = source.fetch(reached)
                silent = 0 if fetched else silent + 1
                if silent > POLLS_WITHOUT_ANYTHING:
                    raise UnavailableError(f"{self._broker.name} sends nothing of {self._topic}; see that it runs")
                for part in fetched:
                    reached[part.partition] = part.end
                    for raw in part.records:
                        yield Recorded(Position(part.partition, raw.offset), raw.timestamp, raw.key, raw.value)

    def add(self, entries: Sequence[tuple[Recorded, Sequence[Position]]]) -> None:
        """Adds entries, and where they stood, at the end of their partitions, in order.

        Raises UnavailableError: begin again then.
        """
        self._writer.write_all(
            [
                Record(
                    self._topic, partition_of(entry.key, self.partitions), entry.key.encode(), entry.value,
                    origin_headers(was), entry.recorded_at,
                )
                for entry, was in entries
            ]
        )  # fmt: skip

    def close(self) -> None:
        """Lets go of the broker."""
        self._writer.close()
