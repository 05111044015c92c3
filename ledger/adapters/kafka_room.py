"""A bound on what waits to be written: kafka-python's own buffer has none."""

import threading
from collections.abc import Sequence

from ledger.errors import UnavailableError
from ledger.log import Entry

MAX_BYTES = 64 << 20
MAX_ENTRIES = 100_000
OVERHEAD = 200  # bytes that an entry costs besides its value


class Room:
    """So many bytes and entries may be under way at once; who comes then waits."""

    def __init__(self, patience: float, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES) -> None:
        """`patience`: seconds to wait for room."""
        self._patience = patience
        self._max = (max_bytes, max_entries)
        self._used = (0, 0)
        self._freed = threading.Condition()

    def take(self, entries: Sequence[Entry], wait: bool = True) -> tuple[int, int]:
        """Takes room for entries and says how much, to be given back. A call larger than all the room goes alone.

        Raises UnavailableError when there is none in time, at once if not to `wait`.
        """
        size = (sum(len(entry.value) + OVERHEAD for entry in entries), len(entries))
        with self._freed:
            if not self._freed.wait_for(lambda: self._fits(size), self._patience if wait else 0):
                raise UnavailableError(
                    f"{self._used[1]} entries wait to be written already and the broker does not keep up: nothing of "
                    "this was acknowledged; repeat with the same key"
                )
            self._used = (self._used[0] + size[0], self._used[1] + size[1])
        return size

    def give(self, size: tuple[int, int]) -> None:
        """Gives room back."""
        with self._freed:
            self._used = (self._used[0] - size[0], self._used[1] - size[1])
            self._freed.notify_all()

    def _fits(self, size: tuple[int, int]) -> bool:
        return self._used == (0, 0) or all(
            used + more <= limit for used, more, limit in zip(self._used, size, self._max, strict=True)
        )
