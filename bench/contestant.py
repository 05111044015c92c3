"""One run of a stream worker on a topic that is filled already, watched from outside, alike for every framework.

Progress is what the worker has committed for its group: an exactly-once worker has put that into its changelog in the
same transaction. Figures are taken from the moment when a fifth is committed until all is, so that neither the start of
a process nor a cold virtual machine counts.
"""

import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from bench.events import Made
from bench.kafka_input import admin
from bench.processes import Used, used
from stack.processes import Process

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # kafka-python deprecates a module of its own when it is imported
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

WARM = 0.2
LOOK_S = 0.05
STALLED_S = 90


class Place(NamedTuple):
    """Where a run reads and writes; `name` is new in each run, and everything that the worker keeps begins with it."""

    broker: str
    topic: str
    name: str
    folder: Path


class Contestant(NamedTuple):
    """How a worker is started, and what it is given."""

    title: str
    command: Callable[[Place], list[str]]
    share: float = 1.0
    """How much of the input: slow ones are as slow after a tenth."""
    group: str = "{}"
    """Under which name it commits, from the run's."""
    ledger: Callable[[int], Iterable[Made]] | None = None
    """It reads a ledger with topics of its own, filled with so many of these events; the others share one topic."""


class Run(NamedTuple):
    """What was seen of it; CPU in µs an event, of the worker and of the broker meanwhile."""

    events_per_s: float
    cpu_us: float
    broker_us: float
    peak_mb: float

    @property
    def cores(self) -> float:
        """How many the worker kept busy."""
        return self.events_per_s * self.cpu_us / 1e6


class _Look(NamedTuple):
    at: float
    events: int
    worker: Used
    broker: Used


class Watch:
    """Looks at a worker, at what it has committed, and at the broker."""

    def __init__(self, place: Place, group: str, worker: Process, broker: int) -> None:
        self._place = place
        self._group = group
        self._worker = worker
        self._broker = broker
        self._admin = admin(place.broker)

    def until_done(self, events: int) -> Run:
        """Waits until so many events are done. Raises RuntimeError if the worker ends or gets no further."""
        warm, last = None, self._look()
        while (look := self._look()).events < events:
            last = last if last.events == look.events else look
            if self._worker.code is not None or look.at - last.at > STALLED_S:
                raise RuntimeError(f"{self._worker.name}: {look.events} of {events} events\n{self._worker.said()}")
            if warm is None and look.events >= WARM * events:
                warm = look
            time.sleep(LOOK_S)
        return _between(warm or last, look)

    def close(self) -> None:
        """Lets go of the broker."""
        self._admin.close()

    def _look(self) -> _Look:
        looked = time.perf_counter(), committed(self._admin, self._group, self._place.topic)
        return _Look(*looked, used(self._worker.pid), used(self._broker))


def committed(client: KafkaAdminClient, group: str, topic: str) -> int:
    """How many events of a topic a group has committed."""
    try:
        offsets = client.list_group_offsets({group: None})[group]
    except KafkaError:  # nobody has ever committed here, and the topic of all groups' offsets is being made
        return 0
    return sum(max(0, said.offset) for at, said in offsets.items() if at.topic == topic)


def _between(start: _Look, end: _Look) -> Run:
    events, seconds = end.events - start.events, end.at - start.at
    return Run(
        events / seconds,
        (end.worker.cpu_s - start.worker.cpu_s) / events * 1e6,
        (end.broker.cpu_s - start.broker.cpu_s) / events * 1e6,
        end.worker.peak / 1e6,
    )
