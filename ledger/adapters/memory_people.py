"""The erasable stores in memory: for tests, rehearsals and `demo`. Nothing survives the process."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from ledger.people import Identity, Words


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class MemoryPeople:
    """The port `ledger.people.People` in dictionaries."""

    def __init__(self, clock: Callable[[], int] = now) -> None:
        self._clock = clock
        self._kept_at: dict[str, int] = {}
        self._identities: dict[str, Identity] = {}
        self._evidence: dict[str, dict[str, Words]] = defaultdict(dict)
        self._erased: set[str] = set()
        self._looks: list[tuple[int, str, str, str]] = []
        self._lock = threading.Lock()

    def keep(self, identities: Sequence[Identity], evidence: Sequence[Words] = ()) -> None:
        """See the port."""
        with self._lock:
            self._erased.difference_update(identity.ref for identity in identities if identity.renews)
            for identity in identities:
                if identity.ref not in self._erased:
                    self._identities.setdefault(identity.ref, identity._replace(renews=False))
                    self._kept_at.setdefault(identity.ref, self._clock())
            for words in evidence:
                if words.ref not in self._erased:
                    self._evidence[words.ref].setdefault(words.event_id, words)

    def identity(self, ref: str) -> Identity | None:
        """See the port."""
        return self._identities.get(ref)

    def identities(self, refs: Iterable[str]) -> dict[str, Identity]:
        """See the port."""
        with self._lock:
            return {ref: self._identities[ref] for ref in refs if ref in self._identities}

    def all_refs(self) -> Iterator[str]:
        """See the port."""
        with self._lock:
            return iter(sorted(self._identities))

    def evidence(self, ref: str, event_id: str) -> Words | None:
        """See the port."""
        with self._lock:
            return self._evidence.get(ref, {}).get(event_id)

    def erase(self, ref: str) -> int:
        """See the port."""
        with self._lock:
            self._erased.add(ref)
            self._kept_at.pop(ref, None)
            return (self._identities.pop(ref, None) is not None) + len(self._evidence.pop(ref, {}))

    def forget(self, ref: str) -> int:
        """See the port."""
        with self._lock:
            self._kept_at.pop(ref, None)
            return (self._identities.pop(ref, None) is not None) + len(self._evidence.pop(ref, {}))

    def see_to_removal(self) -> None:
        """See the port: what is in memory is gone at once."""

    def kept_before(self, at: int) -> Iterator[str]:
        """See the port."""
        with self._lock:
            return iter(sorted(ref for ref, kept in self._kept_at.items() if kept < at))

    def looked_at(self, ref: str, by: str, what: str, at: int) -> None:
        """See the port."""
        with self._lock:
            self._looks.append((at, ref, by, what))

    def looks(self, ref: str | None = None) -> Iterator[tuple[int, str, str, str]]:
        """See the port."""
        with self._lock:
            return iter([look for look in self._looks if ref in (None, look[1])])

    def close(self) -> None:
        """See the port. What was kept stays as long as the object lives."""
