"""A broker with the input, and the runs of all who take it: each from an empty state, each checked afterwards."""

import re
from datetime import datetime
from pathlib import Path

from bench.changelog import counted
from bench.contestant import Contestant, Place, Run, Watch
from bench.events import PARTITIONS, simple
from bench.kafka_input import admin, create, fill
from ledger.adapters.kafka_topics import KafkaTopics, Layout
from ledger.broker import Broker
from schemas.topics import Topics
from stack.kafka import Kafka
from stack.processes import Process

ASSIGNED, FOLDING = "assigned partitions", "folding partitions"
TIME = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ")


class Race:
    """On one broker."""

    def __init__(self, kafka: Kafka, folder: Path, events: int) -> None:
        self._kafka = kafka
        self._folder = folder
        self._events = events
        self._runs = 0
        self._inputs: dict[int, str] = {}
        self.recoveries: dict[str, list[float]] = {}
        """Records a second, of those whose states were read back."""

    def run(self, contestant: Contestant) -> Run:
        """One run, from an empty state."""
        self._runs += 1
        events = int(self._events * contestant.share)
        place = self._place(contestant, events)
        with self._started(contestant, place) as process:
            watch = Watch(place, contestant.group.format(place.name), process, self._kafka.process.pid)
            run = watch.until_done(events)
            watch.close()
        written = self._check(place, events)
        if contestant.ledger:
            self.recoveries.setdefault(contestant.title, []).append(self._recovery(contestant, place, written))
        self._forget(place)
        return run

    def _started(self, contestant: Contestant, place: Place) -> Process:
        return Process(f"{place.name} ({contestant.title})", contestant.command(place), place.folder / "log")

    def _place(self, contestant: Contestant, events: int) -> Place:
        name = f"run-{self._runs}"
        folder = self._folder / name
        folder.mkdir()
        topic = self._shared(events)
        if contestant.ledger:
            topic = own_ledger(self._kafka.address, name)
            fill(self._kafka.address, topic, contestant.ledger(events))
        return Place(self._kafka.address, topic, name, folder)

    def _shared(self, events: int) -> str:
        if events not in self._inputs:
            topic = self._inputs[events] = f"input-{events}"
            create(self._kafka.address, topic)
            fill(self._kafka.address, topic, simple(events))
        return self._inputs[events]

    def _check(self, place: Place, events: int) -> int:
        client = admin(place.broker)
        names = [name for name in client.list_topics() if place.name in name and name != place.topic]
        client.close()
        found, written = counted(place.broker, *names)
        if found != events:
            raise RuntimeError(f"{place.name}: the states say {found} events, and there were {events}")
        return written

    def _recovery(self, contestant: Contestant, place: Place, written: int) -> float:
        """Records a second, from the assignment until all states are there again."""
        (place.folder / "log").unlink()
        with self._started(contestant, place) as process:
            process.wait_until(lambda: FOLDING in process.said(), 120, "it has recovered")
            said = process.said()
        return written / (_at(said, FOLDING) - _at(said, ASSIGNED))

    def _forget(self, place: Place) -> None:
        client = admin(place.broker)
        client.delete_topics([name for name in client.list_topics() if place.name in name])
        client.close()


def own_ledger(address: str, prefix: str) -> str:
    """Makes the topics of a ledger and names that of its events."""
    broker = Broker((address,), Topics(prefix))
    topics = KafkaTopics(broker)
    topics.create(Layout(partitions=PARTITIONS, replication_factor=1))
    topics.close()
    return broker.topics.ledger


def _at(log: str, what: str) -> float:
    """When a log first says something, in seconds."""
    line = next(line for line in log.splitlines() if what in line)
    found = TIME.match(line)
    if found is None:
        raise ValueError(f"no time in {line!r}")
    return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()  # noqa: DTZ007  # only differences count
