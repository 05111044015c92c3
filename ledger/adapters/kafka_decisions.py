"""The decision log on its topic, keyed by contact.

The topic has no index by id. But an id (UUIDv7) says when it was made, and the topic says where it was at a time: so a
decision is looked for around that moment first, and only then in the rest of the topic.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from ledger.adapters.kafka_client import Client, consumer, end, explained, library, missing, producer, said_of
from ledger.broker import Broker
from ledger.decisions import Stored, UnreadableDecisionError
from schemas.distributed import LoggedDecision
from schemas.topics import partition_of

WAIT_S = 5.0
POLL_MS = 200
READING, WRITING = "read decisions", "log decisions"
BEFORE_MS, AFTER_MS = 60_000, 600_000
"""Around the moment in an id: a gateway's clock may be off, and its decisions may have waited for the broker."""
STEPS_BACK_MS = 60_000
"""By how much the broker's clock may step back between two records."""
Ranges = dict[int, tuple[int, int]]
"""For each partition from which offset to which (exclusive)."""


class KafkaDecisions:
    """The port `ledger.decisions.Decisions`, and a gateway's `DecisionsOut`. Clients are made when they are needed."""

    def __init__(self, broker: Broker) -> None:
        """Raises nothing: the broker is asked when there is something to ask."""
        self._broker = broker
        self._topic = broker.topics.decisions
        self._producer: Client = None
        self._consumer: Client = None

    # --- writing

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """See the port; each stands under its contact."""
        with explained(self._broker, WRITING):
            if self._producer is None:
                self._producer = producer(self._broker, WAIT_S, linger_ms=20)
            sent = [
                self._producer.send(self._topic, key=each.subject.encode(), value=each.model_dump_json().encode())
                for each in decisions
            ]
        try:
            for future in sent:
                future.get(WAIT_S + 1)
        except library().errors.KafkaError as error:
            raise said_of(error, self._broker, WRITING) from error

    # --- reading

    def find(self, decision_id: str) -> Stored | None:
        """See the port. Around the id's own time first, then what came later, then what came before."""
        made_at = UUID(decision_id).int >> 80
        start, end = made_at - BEFORE_MS, made_at + AFTER_MS
        for since, until in ((start, end), (end, None), (0, start)):
            found = next((one for one in self.scan(since, until) if _is(one, decision_id)), None)
            if found is not None:
                return found
        return None

    def of_subject(self, ref: str) -> Iterator[Stored]:
        """See the port. Reads all of the one partition that the contact's decisions are in."""
        ranges = self._ranges(0, None)
        partition = partition_of(ref, len(ranges))
        subject = bytes.fromhex(ref)
        yield from (one for one in self._read({partition: ranges[partition]}) if one.subject == subject)

    def scan(self, since: int = 0, until: int | None = None) -> Iterator[Stored]:
        """See the port."""
        for one in self._read(self._ranges(max(since, 0), until)):
            if one.logged_at >= since and (until is None or one.logged_at < until):
                yield one

    def _ranges(self, since: int, until: int | None) -> Ranges:
        with explained(self._broker, READING):
            if self._consumer is None:
                self._consumer = consumer(self._broker, isolation_level="read_committed", fetch_max_wait_ms=50)
            places = self._places()
            ends = self._consumer.end_offsets(places)
            starts = self._at(places, since, ends) if since else self._consumer.beginning_offsets(places)
            stops = ends if until is None else self._at(places, max(until + STEPS_BACK_MS, 0), ends)
        return {place.partition: (starts[place], stops[place]) for place in places}

    def _places(self) -> list[Any]:
        partitions = self._consumer.partitions_for_topic(self._topic)
        if not partitions:
            raise missing(self._broker)
        return [library().TopicPartition(self._topic, partition) for partition in sorted(partitions)]

    def _at(self, places: Sequence[Any], at: int, ends: Mapping[Any, int]) -> dict[Any, int]:
        """Where each partition was at a time; its end where nothing came since."""
        found = self._consumer.offsets_for_times(dict.fromkeys(places, at))
        return {place: ends[place] if found[place] is None else found[place].offset for place in places}

    def _read(self, ranges: Ranges) -> Iterator[Stored]:
        stops = {
            library().TopicPartition(self._topic, partition): (start, stop)
            for partition, (start, stop) in ranges.items()
            if start < stop
        }
        with explained(self._broker, READING):
            self._consumer.assign(list(stops))
            for place, (start, _) in stops.items():
                self._consumer.seek(place, start)
                self._consumer.resume(place)  # it remembers from the last reading that it was paused
            while stops:
                for place, records in self._consumer.poll(timeout_ms=POLL_MS).items():
                    stop = stops[place][1] if place in stops else 0
                    yield from (_stored(record) for record in records if record.offset < stop)
                for place in [place for place, (_, stop) in stops.items() if self._consumer.position(place) >= stop]:
                    del stops[place]
                    self._consumer.pause(place)

    def close(self) -> None:
        """See the port; what was not acknowledged by now is not in it."""
        if self._producer is not None:
            end(self._producer)
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
        self._producer = self._consumer = None


def _is(one: Stored, decision_id: str) -> bool:
    if decision_id.encode() not in one.value:
        return False
    try:
        return one.read().decision_id == decision_id
    except UnreadableDecisionError:
        return False


def _stored(record: Any) -> Stored:  # noqa: ANN401  # kafka-python has no types
    """A record; one whose key is no reference says so when it is read."""
    try:
        subject = bytes.fromhex((record.key or b"").decode("ascii"))
    except ValueError:
        subject = b""
    return Stored(int(record.timestamp), subject, record.value or b"")
