"""Reading a topic into a mirror up to given ends, for as long as it takes or for so long."""

import time
from collections.abc import Callable, Mapping, Sequence

from ledger.adapters.kafka_mirror import Fetched
from ledger.adapters.kafka_source import KafkaSource
from ledger.errors import UnavailableError

STALLED = 30.0
"""Seconds without a single record, where there must be some, until the broker counts as away."""

Reached = Callable[[], Mapping[int, int]]


class BehindError(UnavailableError):
    """The mirror of this machine has not yet read the log to its end."""


def is_behind(reached: Reached, ends: Mapping[int, int]) -> bool:
    """Whether something is still to be read."""
    at = reached()
    return any(at.get(partition, 0) < end for partition, end in ends.items())


def read_up_to(
    ends: Mapping[int, int], source: KafkaSource, reached: Reached, add: Callable[[Sequence[Fetched]], None],
    patience: float | None = None,
) -> None:  # fmt: skip
    """Fetches and adds until `reached` says that the ends are there. What was added stays, whatever is raised.

    Raises BehindError after `patience` seconds, UnavailableError if nothing comes any more. One at a time.
    """
    now = time.monotonic()
    deadline = now + (STALLED if patience is None else patience)
    while is_behind(reached, ends):
        fetched = source.fetch(reached())
        now = time.monotonic()
        if fetched:
            add(fetched)
            deadline = now + STALLED if patience is None else deadline
        if now > deadline and is_behind(reached, ends):
            raise behind(source.name, patience)


def behind(name: str, patience: float | None) -> UnavailableError:
    """What is said when patience, or the broker, has come to its end."""
    if patience is None:
        return UnavailableError(f"nothing more of {name} has come for {STALLED:g} s; see that its broker runs")
    return BehindError(f"this machine has not yet read {name} to its end, after {patience:g} s; try again")
