"""Writing to the ledger topic: idempotent, acknowledged by all replicas, in order, and bounded in memory.

Nothing is returned that is not stored. What is given up may be stored all the same (the acknowledgement was lost):
whoever repeats it with the same key leaves a repetition in the log at worst, which every fold passes over.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ledger.adapters.kafka_client import MAX_MESSAGE, TIMEOUT, Client, library, missing, producer, said_of, explained
from ledger.adapters.kafka_entry import headers_of
from ledger.adapters.kafka_room import OVERHEAD, Room
from ledger.broker import Broker
from ledger.errors import LedgerError, UnavailableError
from ledger.log import Appended, Entry, Position
from schemas.errors import InputError
from schemas.topics import partition_of

WAVES = 4
"""How many times the entries of one call wait for the acknowledgement of those before them."""
WISH = "append to the ledger"

Sent = list[Appended] | LedgerError | InputError


class Place(NamedTuple):
    """Which entry of which call goes to which partition."""

    call: int
    place: int
    partition: int


class KafkaAppend:
    """Appends entries, each under its subject, without asking what is there already. Safe to use from many threads.

    The first of two entries in different partitions is acknowledged before the second is sent, up to `WAVES` times a
    call: what a crash leaves of an opt-out that reaches accounts is the accounts, which is the wider part.
    """

    def __init__(self, broker: Broker, timeout: float = TIMEOUT, room: Room | None = None) -> None:
        """`timeout`: seconds until an entry is given up. Connects with the first entry."""
        self._broker = broker
        self._timeout = timeout
        self._room = room or Room(timeout)
        self._lock = threading.Lock()
        self._connected: tuple[Client, int] | None = None
        self._closed = False

    def append(self, entries: Sequence[Entry]) -> list[Appended]:
        """Stores entries in order; returns once all of them are durable. The time is the broker's.

        Raises UnavailableError (NoRoomError) when not all were acknowledged: repeat all of them; and InputError for
        one that is too large, storing none.
        """
        [sent] = self.append_all([entries])
        if isinstance(sent, Exception):
            raise sent
        return sent

    def append_all(self, calls: Sequence[Sequence[Entry]]) -> list[Sent]:
        """What becomes of several calls that are stored together, each as by `append`. Raises UnavailableError."""
        sizes = [_too_large(entries) for entries in calls]
        fitting = [[] if size else entries for size, entries in zip(sizes, calls, strict=True)]
        taken = self._room.take([entry for entries in fitting for entry in entries])
        try:
            sent = self._append_all(fitting)
        finally:
            self._room.give(taken)
        return [size or of_call for size, of_call in zip(sizes, sent, strict=True)]

    def _append_all(self, calls: Sequence[Sequence[Entry]]) -> list[Sent]:
        if not any(calls):
            return [[] for _call in calls]
        client, partitions = self._client()
        found: dict[tuple[int, int], Appended] = {}
        failed: LedgerError | InputError | None = None
        for wave in _waves(calls, partitions):
            failed = self._send(client, wave, calls, found)
            if failed:
                self._drop(client)
                break
        return [
            [found[call, index] for index in range(len(entries))]
            if all((call, index) in found for index in range(len(entries)))
            else (failed or UnavailableError("nothing was acknowledged; repeat with the same key"))
            for call, entries in enumerate(calls)
        ]

    def _send(
        self,
        client: Client,
        wave: Sequence[Place],
        calls: Sequence[Sequence[Entry]],
        found: dict[tuple[int, int], Appended],
    ) -> LedgerError | InputError | None:
        """Sends what may be sent together and waits for all of it; the first error, if there is one."""
        topic, failed = self._broker.topics.ledger, None
        waiting = []
        try:
            for place in wave:
                entry = calls[place.call][place.place]
                waiting.append(client.send(topic, entry.value, entry.key.encode(), headers_of(entry), place.partition))
        except library().errors.KafkaError as error:
            failed = said_of(error, self._broker, WISH)
        for place, future in zip(wave, waiting, strict=False):
            try:
                stored = future.get(self._timeout + 5)
            except library().errors.KafkaError as error:
                failed = failed or said_of(error, self._broker, WISH)
            else:
                position = Position(stored.partition, stored.offset)
                found[place.call, place.place] = Appended(position, stored.timestamp)
        return failed

    def _client(self) -> tuple[Client, int]:
        with self._lock:
            if self._closed:
                raise UnavailableError(f"the log at {self._broker.name} is closed; open it again")
            if self._connected is None:
                with explained(self._broker, WISH):
                    client = producer(self._broker, self._timeout)
                    try:
                        found = client.partitions_for(self._broker.topics.ledger)
                    except BaseException:
                        client.close(0)
                        raise
                if not found:
                    raise missing(self._broker)
                self._connected = (client, len(found))
            return self._connected

    def _drop(self, client: Client) -> None:
        """After an error a new producer begins with a new sequence: the old one may wait for what never comes."""
        with self._lock:
            if self._connected and self._connected[0] is client:
                self._connected = None
        with suppress(library().errors.KafkaError):
            client.close(0)

    def close(self) -> None:
        """Lets go of the broker. Repeatable."""
        with self._lock:
            connected, self._connected, self._closed = self._connected, None, True
        if connected:
            with suppress(library().errors.KafkaError):
                connected[0].close(self._timeout)


def _waves(calls: Sequence[Sequence[Entry]], partitions: int) -> list[list[Place]]:
    """What may be sent together: in every partition in the order of the calls, and in each call one after the other."""
    waves: list[list[Place]] = [[] for _wave in range(WAVES)]
    last: dict[int, int] = defaultdict(int)
    for call, entries in enumerate(calls):
        wave, before = 0, -1
        for index, entry in enumerate(entries):
            partition = partition_of(entry.key, partitions)
            if before not in (-1, partition):
                wave = min(wave + 1, WAVES - 1)
            wave = last[partition] = max(wave, last[partition])
            before = partition
            waves[wave].append(Place(call, index, partition))
    return [wave for wave in waves if wave]


def _too_large(entries: Sequence[Entry]) -> InputError | None:
    size = max((len(entry.key) + len(entry.value) + OVERHEAD for entry in entries), default=0)
    if size <= MAX_MESSAGE:
        return None
    return InputError(f"an entry of {size:,} bytes is too large, the ledger takes {MAX_MESSAGE:,}: nothing was written")
