"""How fresh a gateway's copy is, by its own monotonic clock alone. Pure: the clock is the caller's.

At a time t0 the broker is asked for the ledger's ends. Once the copy has come to those ends it holds all that was
acknowledged by t0: it is fresh as of t0, and not as of when it got there.
"""

from collections import deque
from collections.abc import Mapping

MANY = 10_000
"""How many answers are kept that the copy has not come to: half an hour's, at five a second."""


class Freshness:
    """Remembers when which ends were asked for, and says as of when a copy is fresh."""

    def __init__(self) -> None:
        self._asked: deque[tuple[float, Mapping[int, int]]] = deque()

    def asked(self, t0: float, ends: Mapping[int, int]) -> None:
        """At `t0`, or later, the ledger ended there."""
        if len(self._asked) >= MANY:
            self._asked.pop()  # of the latest one only the last counts: the oldest is reached first
        self._asked.append((t0, ends))

    def fresh_as_of(self, watermark: Mapping[int, int]) -> float | None:
        """The latest time as of which a copy with this watermark is known to be complete; None if none is new."""
        found = None
        while self._asked and _reached(watermark, self._asked[0][1]):
            found = self._asked.popleft()[0]
        return found

    def forget(self) -> None:
        """What was asked for says nothing of the copy that comes now."""
        self._asked.clear()


def _reached(watermark: Mapping[int, int], ends: Mapping[int, int]) -> bool:
    return all(watermark.get(partition, 0) >= end for partition, end in ends.items())


class Lease:
    """Until when a gateway may allow what needs consent: a lease's length after it last began to say that it holds one.

    Whoever waits for a gateway to have an opt-out counts a lease from its last receipt, by the broker's clock. The
    gateway counts from when it sent that receipt, which was earlier: so it stops no later.
    """

    def __init__(self) -> None:
        self.until = float("-inf")

    def told(self, sent_at: float, lease_s: float) -> None:
        """The broker has a receipt that was sent then and names a lease of this length."""
        self.until = sent_at + lease_s
