"""The log on a topic of Kafka, with a mirror of it in a file of this machine.

Life of an append: it waits in the queue of its process (`group_commit`); the mirror is brought up to the end of the
topic and tells new from known; what is new is written (`kafka_append`) and acknowledged by all replicas; the mirror is
brought past it, and says, by the order of the log alone, whether another writer was first (`mirror_fold`): then the
answer is that one, and what stands twice in the log counts once. Killed before the acknowledgement, nobody was told
anything, and a retry with the same key finds what is there.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from copy import copy
from pathlib import Path

from ledger.adapters.group_commit import Answer, GroupCommit, Take
from ledger.adapters.kafka_append import KafkaAppend, Sent
from ledger.adapters.kafka_catch_up import BehindError, behind, is_behind, read_up_to
from ledger.adapters.kafka_client import TIMEOUT
from ledger.adapters.kafka_mirror import Fetched, KafkaMirror
from ledger.adapters.kafka_plan import Plan, as_read
from ledger.adapters.kafka_room import Room
from ledger.adapters.kafka_scan import scan
from ledger.adapters.kafka_source import KafkaSource
from ledger.broker import Broker
from ledger.errors import NotALedgerError, UnavailableError
from ledger.log import Entry, Outcome, Position, Recorded, Scanned
from schemas.topics import partition_of

APPEND_PATIENCE = 1.0
"""Seconds that an append waits for the mirror; after that it is written all the same, perhaps a second time."""


class KafkaLog:
    """The port `ledger.log.Log` on a topic, for any number of threads, processes and machines.

    Offsets may have gaps. Entries of one call are stored in order, not in one step: after a crash some of them may be
    there, and a retry completes them.
    """

    def __init__(
        self, broker: Broker, path: Path, partitions: int, topic_id: str, timeout: float = TIMEOUT,
        append_patience: float = APPEND_PATIENCE,
    ) -> None:  # fmt: skip
        """`path`: the mirror's file; `topic_id`: of the ledger topic, which has `partitions`. `timeout`: seconds until
        an append is given up. Does not ask the broker yet. Raises NotALedgerError, UnavailableError."""
        self.partitions = partitions
        self._broker = broker
        self._append_patience = append_patience
        self._patience: float | None = None
        self._timeout = timeout
        self._mirror = KafkaMirror(path, broker.topics.ledger, topic_id)
        self._source = KafkaSource(broker, broker.topics.ledger, range(partitions))
        self._append = KafkaAppend(broker, timeout)
        self._room = Room(timeout)
        self._reading = threading.Lock()
        self._commits = GroupCommit(self._store, f"the log at {broker.name}")

    def within(self, seconds: float) -> "KafkaLog":
        """The same log, whose questions raise UnavailableError where the mirror needs longer than that.

        What was read by then is kept, so that the next question is nearer to its answer.
        """
        hasty = copy(self)
        hasty._patience = seconds
        return hasty

    # -- writing

    def append(self, entries: Sequence[Entry]) -> list[Outcome]:
        """See the port."""
        return self.submit(entries).result()

    def submit(self, entries: Sequence[Entry]) -> "Future[list[Outcome]]":
        """See the port. Waits while too much is under way; raises UnavailableError if that takes too long."""
        taken = self._room.take(entries)
        future = self._commits.submit(entries)
        future.add_done_callback(lambda _done: self._room.give(taken))
        return future

    def append_async(self, entries: Sequence[Entry]) -> "asyncio.Future[list[Outcome]]":
        """See the port. Raises UnavailableError at once while too much is under way: a loop must not wait."""
        taken = self._room.take(entries, wait=False)
        future = self._commits.submit_async(entries)
        future.add_done_callback(lambda _done: self._room.give(taken))
        return future

    def _store(self, take: Take) -> list[Answer]:
        calls = take()
        if not any(calls):
            return [[] for _call in calls]
        try:
            self._be_fresh(self._append_patience)
        except BehindError:
            # An opt-out does not wait for a new machine to read a long log. Written blindly it may repeat another
            # event, which every fold passes over.
            return [one if isinstance(one, Exception) else [*one] for one in self._append.append_all(calls)]
        plan = Plan(self._mirror, calls)
        sent = self._append.append_all(plan.to_write)
        try:
            self._mirror.add(as_read(plan.to_write, sent))
            self._catch_up(_ends_of(sent), self._timeout)
        except UnavailableError:
            return plan.unsettled(sent)
        return plan.settled(sent)

    # -- reading

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        """See the port."""
        if not 0 <= partition < self.partitions or start < 0:
            raise ValueError(f"there is no partition {partition} with an offset {start}")
        if end is None or self._mirror.reached().get(partition, 0) < end:
            last = self.ends()[partition]
            end = last if end is None else min(end, last)
            self._catch_up({partition: end}, self._patience)
        return self._mirror.read(partition, start, end)

    def scan(self, partition: int, end: int | None = None, start: int = 0) -> Iterator[Scanned]:
        """See the port. Asks the broker, not the mirror, and for the times of an entry for all before it."""
        entries = scan(self._broker, self._broker.topics.ledger, partition, end)
        return entries if start <= 0 else (one for one in entries if one[0] >= start)

    def read_subject(self, key: str) -> Iterator[Recorded]:
        """See the port."""
        partition = partition_of(key, self.partitions)
        self._catch_up({partition: self.ends()[partition]}, self._patience)
        return self._mirror.of_subject(key)

    def first_of(self, partition: int) -> Recorded | None:
        """The first entry of a partition, without reading the others; None if there is none yet."""
        if self._mirror.reached().get(partition):
            return next(self._mirror.read(partition, 0, 1), None)
        with closing(KafkaSource(self._broker, self._broker.topics.ledger, [partition])) as source:
            found: list[Fetched] = []
            read_up_to({partition: min(1, source.ends()[partition])}, source, lambda: _reached(found), found.extend)
        raw = found[0].records[0] if found else None
        return raw and Recorded(Position(partition, raw.offset), raw.timestamp, raw.key, raw.value)

    def find(self, event_id: str) -> Recorded | None:
        """See the port."""
        found = self._mirror.find(event_id)
        if found is None:
            self._be_fresh(self._patience)
            found = self._mirror.find(event_id)
        return found

    def places(self, position: Position) -> Mapping[int, Position]:
        """See the port. Every move is to the next version, so that the last of the others is of the one before this.

        Raises UnavailableError.
        """
        self._catch_up({position.partition: position.offset + 1}, self._patience)
        version = self._broker.topics.version
        before = self._mirror.moved_from(position)
        return {version: position, **{version - back: was for back, was in enumerate(reversed(before), start=1)}}

    def ends(self) -> dict[int, int]:
        """See the port. Raises NotALedgerError if the topic has lost entries."""
        ends = self._ends()
        if self._patience is not None:
            self._catch_up(ends, self._patience)
        return ends

    def _ends(self) -> dict[int, int]:
        read = self._mirror.reached()  # before the broker is asked: others go on writing
        ends = self._source.ends()
        for partition, reached in read.items():
            if reached > ends.get(partition, 0):
                raise NotALedgerError(
                    f"partition {partition} of {self._broker.topics.ledger} ends at {ends.get(partition, 0)}, but this "
                    f"machine has read it up to {reached}: the broker has lost entries; restore the topic"
                )
        return ends

    def _be_fresh(self, patience: float | None) -> None:
        self._catch_up(self._ends(), patience)

    def _catch_up(self, ends: Mapping[int, int], patience: float | None) -> None:
        """Reads the topic into the mirror up to `ends`, for up to `patience` seconds. What was read stays."""
        started, mirror = time.monotonic(), self._mirror
        if not is_behind(mirror.reached, ends):
            return
        if not self._reading.acquire(timeout=-1 if patience is None else patience):
            raise behind(self._broker.topics.ledger, patience)
        try:
            left = None if patience is None else max(0.0, patience - (time.monotonic() - started))
            read_up_to(ends, self._source, mirror.reached, mirror.add, left)
        finally:
            self._reading.release()

    def close(self) -> None:
        """See the port."""
        self._commits.close()
        self._append.close()
        self._source.close()
        self._mirror.close()


def _reached(fetched: Sequence[Fetched]) -> dict[int, int]:
    return {part.partition: part.end for part in fetched}


def _ends_of(sent: Sequence[Sent]) -> dict[int, int]:
    """How far the mirror has to read to have all that was written."""
    ends: dict[int, int] = {}
    for of_call in sent:
        for (partition, offset), _at in of_call if isinstance(of_call, list) else ():
            ends[partition] = max(ends.get(partition, 0), offset + 1)
    return ends
