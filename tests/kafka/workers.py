"""Real workers on a real ledger, and what the tables have to say after it."""

import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson
import pytest

from ledger.adapters.kafka_client import Client, consumer, library, producer
from ledger.adapters.kafka_topics import KafkaTopics, Layout
from ledger.broker import Broker
from ledger.log import Position, Recorded
from projections.adapters.memory_view import MemoryView
from projections.catch_up import catch_up
from schemas.encoding import encode
from schemas.topics import TABLES, WATERMARK, Table, partition_of
from stack.processes import LOOPBACK, Process, free_port, wait_until
from tests.histories import history

# kafka-python leaves the sockets of connections that broke to the garbage collector.
MARKS = [pytest.mark.kafka, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
SESSION_S = 6
"""The shortest session that the broker allows."""
LONG = 60.0

Entry = tuple[str | None, bytes | None]


class Told(NamedTuple):
    """A record of a topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def make_topics(broker: Broker, partitions: int = 4, replication_factor: int = 1) -> None:
    """The ledger's topics, as `topics create` makes them."""
    topics = KafkaTopics(broker)
    topics.create(Layout(partitions=partitions, replication_factor=replication_factor))
    topics.close()


def entries(seed: int, events: int = 24) -> list[Entry]:
    """A small nasty history, as its recorder would have stored it."""
    return [(fact.event.subject, encode(fact.event)) for fact in history(Random(seed), events).facts]


def simple_entries(seed: int, events: int, subjects: int) -> list[Entry]:
    """Statements of many subjects, each entry's event id its own."""
    rng = Random(seed)
    facts = [fact.event for fact in history(Random(7), 200).facts if fact.event.type == "PreferenceRevoked"]
    refs = [f"{rng.getrandbits(128):032x}" for _ in range(subjects)]
    made: list[Entry] = []
    for number in range(events):
        event = facts[number % len(facts)]
        own = {
            "subject": rng.choice(refs),
            "event_id": f"0199a0a8-3c00-7{seed:03x}-8000-{number:012x}",
            "idempotency_key": f"{seed:08x}{number:024x}",
        }
        made.append((own["subject"], encode(event.model_copy(update=own))))
    return made


def append(broker: Broker, what: Sequence[Entry], partitions: int = 4) -> None:
    """Appends to the ledger as the recorder does: subjects in their partitions, in order, acknowledged."""
    writing = producer(broker)
    sent = [
        writing.send(
            broker.topics.ledger, value, None if key is None else key.encode("utf-8", "surrogateescape"),
            partition=0 if key is None else partition_of(key.encode("utf-8", "replace").decode(), partitions),
        )
        for key, value in what
    ]  # fmt: skip
    for future in sent:
        future.get(30)
    writing.close()


def told(broker: Broker, topic: str) -> dict[int, list[Told]]:
    """Everything committed in a topic, by partition."""
    reading = consumer(broker, isolation_level="read_committed")
    partitions = [library().TopicPartition(topic, each) for each in sorted(reading.partitions_for_topic(topic) or ())]
    found: dict[int, list[Told]] = {each.partition: [] for each in partitions}
    reading.assign(partitions)
    reading.seek_to_beginning(*partitions)
    ends = reading.end_offsets(partitions)
    while any(reading.position(each) < end for each, end in ends.items()):
        for each, records in reading.poll(500).items():
            found[each.partition] += [Told(one.offset, one.timestamp, one.key, one.value) for one in records]
    reading.close()
    return found


def set_aside(broker: Broker) -> list[tuple[str, int, int]]:
    """Topic, partition and offset of what was set aside, in order, as often as it was."""
    every = [record for records in told(broker, broker.topics.rejected).values() for record in records]
    entries = [orjson.loads(record.value or b"") for record in every]
    return sorted((entry["topic"], entry["partition"], entry["offset"]) for entry in entries)


class LedgerAsRead:
    """The ledger's topic as a log: what the embedded fold reads."""

    def __init__(self, broker: Broker) -> None:
        self._entries: dict[int, list[Recorded]] = {}
        for partition, records in told(broker, broker.topics.ledger).items():
            at, read = 0, self._entries.setdefault(partition, [])
            for record in records:
                at = max(at, record.timestamp)
                if record.key is not None and record.value is not None and _is_text(record.key):
                    read.append(Recorded(Position(partition, record.offset), at, record.key.decode(), record.value))

    def ends(self) -> dict[int, int]:
        return {partition: read[-1].position.offset + 1 if read else 0 for partition, read in self._entries.items()}

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        return (each for each in self._entries[partition] if each.position.offset >= start)


def _is_text(key: bytes) -> bool:
    try:
        return bool(key.decode())
    except UnicodeDecodeError:
        return False


def folded(broker: Broker) -> dict[str, bytes]:
    """All parts of all states, folded from the ledger from scratch as an embedded ledger does."""
    view = MemoryView()
    log: Any = LedgerAsRead(broker)
    catch_up(log, view)
    return dict(view.all_parts())


class Tables(NamedTuple):
    """What the three tables say: the last value of each key; all watermarks in order by table and partition."""

    parts: dict[str, bytes]
    marks: dict[tuple[str, int], list[dict[str, Any]]]


def tables(broker: Broker) -> Tables:
    """The committed records of the tables."""
    parts: dict[str, bytes] = {}
    marks: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for name in TABLES:
        found = told(broker, broker.topics.table(name))
        for partition, records in found.items():
            for record in records:
                key, value = (record.key or b"").decode(), record.value or b""
                if key.startswith(WATERMARK):
                    assert key == f"{WATERMARK}{partition}"
                    marks.setdefault((name, partition), []).append(orjson.loads(value))
                else:
                    assert partition_of(key, len(found)) == partition
                    parts[key] = value
    return Tables(parts, marks)


def ends(broker: Broker) -> dict[int, int]:
    """How far the ledger goes, by partition."""
    with closing(consumer(broker)) as reading:
        return _ends_of(reading, broker.topics.ledger)


def _ends_of(reading: Client, topic: str) -> dict[int, int]:
    places = [library().TopicPartition(topic, each) for each in reading.partitions_for_topic(topic)]
    return {each.partition: end for each, end in reading.end_offsets(places).items()}


class Marks:
    """The tables' last watermarks. Each look reads only what has come since the one before."""

    def __init__(self, broker: Broker, reading: Client) -> None:
        self._ledger, self._reading = broker.topics.ledger, reading
        self._partitions = len(reading.partitions_for_topic(self._ledger))
        self._places = {
            library().TopicPartition(topic, partition): (name, partition)
            for name, topic in broker.topics.tables.items()
            for partition in range(self._partitions)
        }
        self._last: dict[tuple[str, int], int] = {}
        reading.assign(list(self._places))
        reading.seek_to_beginning(*self._places)

    def are_at_the_end(self) -> bool:
        """Whether all three of each partition are where the ledger ends."""
        reached = self._reading.end_offsets(list(self._places))
        while any(self._reading.position(place) < end for place, end in reached.items()):
            for place, records in self._reading.poll(500).items():
                for record in records:
                    if (record.key or b"").startswith(WATERMARK.encode()):
                        self._last[self._places[place]] = orjson.loads(record.value)["offset"]
        end = _ends_of(self._reading, self._ledger)
        return all(self._last.get(place, 0) == end[place[1]] for place in self._places.values())


def wait_for_all(broker: Broker, seconds: float = LONG) -> None:
    """Waits until everything appended so far is folded and committed."""
    with closing(consumer(broker, isolation_level="read_committed")) as reading:
        marks = Marks(broker, reading)
        wait_until(marks.are_at_the_end, seconds, "everything is folded", every=0.3)


def must_be_exact(broker: Broker) -> None:
    """The tables hold what the ledger folds to, nothing twice; watermarks never ran backwards and go together."""
    found, expected = tables(broker), folded(broker)
    assert found.parts == expected
    for said in found.marks.values():
        assert [mark["offset"] for mark in said] == sorted(mark["offset"] for mark in said)
        assert [mark["recorded_at"] for mark in said] == sorted(mark["recorded_at"] for mark in said)
    for partition in ends(broker):
        _must_go_together({name: found.marks.get((name, partition), []) for name in TABLES})


def _must_go_together(marks: dict[Table, list[dict[str, Any]]]) -> None:
    """What a watermark says of the tables that were left alone is so; all others stand in all three.

    The tables are read one after the other, while a worker may go on: what one of them has not come to is left out.
    """
    own = {name: {mark["offset"] for mark in said} for name, said in marks.items()}
    least = min(max(offsets, default=-1) for offsets in own.values())
    for said in marks.values():
        for mark in said:
            for name, offsets in own.items() if mark["offset"] <= least else ():
                since = mark.get("unchanged", {}).get(name, mark["offset"])
                assert since in offsets, (name, mark)
                assert not [offset for offset in offsets if since < offset < mark["offset"]], (name, mark)


class Worker:
    """A worker process."""

    def __init__(
        self, broker: Broker, folder: Path, name: str = "worker", standby: int = 0,
        by: Sequence[str] = ("consumers.cli.main",),
    ) -> None:  # fmt: skip
        """`by` is the module that it is started by, and what that one takes for itself."""
        self.port = free_port()
        command = [
            sys.executable, "-m", *by, "worker", "run", "--session", str(SESSION_S),
            "--standby", str(standby), "--metrics-port", str(self.port),
        ]  # fmt: skip
        environment = {
            "PREFLEDGER_LEDGER_URL": f"kafka://{broker.name}",
            "PREFLEDGER_TOPICS_PREFIX": broker.topics.prefix,
            "PREFLEDGER_TOPICS_VERSION": str(broker.topics.version),
            "PREFLEDGER_HOME": str(folder),
        }
        self.process = Process(name, command, folder / f"{name}-{time.monotonic_ns()}.log", environment)

    def metrics(self) -> dict[str, float]:
        """What it tells about itself, {} while it does not."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/metrics", timeout=5) as answer:
                lines = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#"]
        except OSError:
            return {}
        return {name.removeprefix("prefledger_worker_"): float(value) for name, value in lines}

    def is_ready(self) -> bool:
        """Whether it folds, or has nothing to fold."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def wait_until_ready(self) -> "Worker":
        """Until it folds."""
        self.process.wait_until(self.is_ready, LONG, "it is ready")
        return self

    def owned(self) -> int:
        """How many partitions it folds."""
        return int(self.metrics().get("partitions_owned", 0))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
