"""The log in memory: for tests, rehearsals and `demo`. Nothing survives the process."""

import asyncio
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from ledger.log import Appended, Conflict, Duplicate, Entry, Outcome, Position, Recorded, Scanned


@dataclass(slots=True)
class Claim:
    """Who made a claim under a key, of what content, and whether it still holds it."""

    claim: str
    content: str
    position: Position
    held: bool = True


class MemoryLog:
    """The port `ledger.log.Log` in lists and dictionaries."""

    def __init__(self, partitions: int = 1, clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        """`clock` in milliseconds."""
        self._partitions: list[list[Recorded]] = [[] for _partition in range(partitions)]
        self._clock = clock
        self._claims: dict[str, list[Claim]] = defaultdict(list)
        self._held: dict[tuple[str, str], Claim] = {}
        self._by_id: dict[str, Position] = {}
        self._lock = threading.Lock()

    @property
    def partitions(self) -> int:
        """See the port."""
        return len(self._partitions)

    def partition_of(self, key: str) -> int:
        """Where entries of a key are, in every process alike."""
        return zlib.crc32(key.encode("utf-8", "surrogatepass")) % len(self._partitions)

    def append(self, entries: Sequence[Entry]) -> list[Outcome]:
        """See the port. Raises ValueError, storing nothing, for an event id used before."""
        with self._lock:
            self._check_ids(entries)
            now = self._clock()
            return [self._append(entry, now) for entry in entries]

    def submit(self, entries: Sequence[Entry]) -> "Future[list[Outcome]]":
        """See the port."""
        future: Future[list[Outcome]] = Future()
        try:
            future.set_result(self.append(entries))
        except Exception as error:
            future.set_exception(error)
        return future

    def append_async(self, entries: Sequence[Entry]) -> "asyncio.Future[list[Outcome]]":
        """See the port."""
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(self.append(entries))
        except Exception as error:
            future.set_exception(error)
        return future

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        """See the port."""
        if not 0 <= partition < len(self._partitions) or start < 0:
            raise ValueError(f"there is no partition {partition} with an offset {start}")
        entries = self._partitions[partition]
        last = len(entries)
        return (entries[offset] for offset in range(start, last if end is None else min(end, last)))

    def scan(self, partition: int, end: int | None = None, start: int = 0) -> Iterator[Scanned]:
        """See the port."""
        return ((one.position.offset, *one[1:], None) for one in self.read(partition, start, end))

    def read_subject(self, key: str) -> Iterator[Recorded]:
        """See the port."""
        with self._lock:
            positions = [claim.position for claim in self._claims.get(key, ())]
        return (self._at(position) for position in positions)

    def find(self, event_id: str) -> Recorded | None:
        """See the port."""
        position = self._by_id.get(event_id)
        return None if position is None else self._at(position)

    def places(self, position: Position) -> Mapping[int, Position]:
        """See the port."""
        return {1: position}

    def ends(self) -> dict[int, int]:
        """See the port."""
        return {partition: len(entries) for partition, entries in enumerate(self._partitions)}

    def close(self) -> None:
        """See the port. What was appended stays readable as long as the object lives."""

    def _at(self, position: Position) -> Recorded:
        return self._partitions[position.partition][position.offset]

    def _check_ids(self, entries: Sequence[Entry]) -> None:
        # Before anything is stored, so that the call is atomic. A retry may carry the id of its first try.
        seen: dict[str, tuple[str, str]] = {}
        for entry in entries:
            pair = (entry.key, entry.claim)
            if seen.setdefault(entry.event_id, pair) != pair or (
                entry.event_id in self._by_id and pair not in self._held
            ):
                raise ValueError(f"the event id {entry.event_id} is in the log already")

    def _append(self, entry: Entry, now: int) -> Outcome:
        held = self._held.get((entry.key, entry.claim))
        if held is not None:
            return (Duplicate if held.content == entry.content else Conflict)(self._at(held.position))
        partition = self.partition_of(entry.key)
        entries = self._partitions[partition]
        position = Position(partition, len(entries))
        recorded_at = max(now, entries[-1].recorded_at) if entries else now
        claim = Claim(entry.claim, entry.content, position)
        self._claims[entry.key].append(claim)
        self._held[entry.key, entry.claim] = claim
        self._by_id[entry.event_id] = position
        entries.append(Recorded(position, recorded_at, entry.key, entry.value))
        self._correct(entry)
        return Appended(position, recorded_at)

    def _correct(self, entry: Entry) -> None:
        freed = self._claim_of(entry.key, entry.frees)
        if freed is not None and freed.held:
            freed.held = False
            del self._held[entry.key, freed.claim]
        reclaimed = self._claim_of(entry.key, entry.reclaims)
        if reclaimed is not None and (entry.key, reclaimed.claim) not in self._held:
            reclaimed.held = True
            self._held[entry.key, reclaimed.claim] = reclaimed

    def _claim_of(self, key: str, event_id: str | None) -> Claim | None:
        position = self._by_id.get(event_id) if event_id is not None else None
        return next((claim for claim in self._claims[key] if claim.position == position), None)
