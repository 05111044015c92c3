"""Events, poison among them, that go into the ledger while a test does its mischief."""

import threading
from typing import Self

from ledger.broker import Broker
from tests.kafka.workers import Entry, append, set_aside, simple_entries, told

POISON = b"no event"


def poisoned(events: list[Entry]) -> list[Entry]:
    """The same with poison under every hundredth's key behind it."""
    found: list[Entry] = []
    for number, entry in enumerate(events, 1):
        found += [entry] if number % 100 else [entry, (entry[0], POISON)]
    return found


def must_be_set_aside_once(broker: Broker) -> None:
    """Every poison of the ledger stands in the rejected topic, once, by its position; and nothing else does."""
    poison = [
        (broker.topics.ledger, partition, record.offset)
        for partition, records in told(broker, broker.topics.ledger).items()
        for record in records
        if record.value == POISON
    ]
    assert set_aside(broker) == sorted(poison)


class Flow:
    """Two hundred at a time, in a thread of its own."""

    def __init__(self, broker: Broker, seed: int, events: int, pause_s: float) -> None:
        self._events = poisoned(simple_entries(seed, events, events // 10))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(broker, pause_s))

    def _run(self, broker: Broker, pause_s: float) -> None:
        for start in range(0, len(self._events), 200):
            append(broker, self._events[start : start + 200])
            if self._ended.wait(pause_s):
                return

    @property
    def goes_on(self) -> bool:
        """Whether there is more to come."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Lets no more come."""
        self._ended.set()
        self.wait_until_appended()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def wait_until_appended(self) -> None:
        """Waits until all of it is in the ledger."""
        self._thread.join()

    def __exit__(self, failure: object, *_: object) -> None:
        if failure:
            self.end()
        self.wait_until_appended()
