"""Writing to the ledger topic: idempotent, acknowledged by all replicas, in order, and bounded in memory.

Nothing is returned that is not stored. What is given up may be stored all the same (the acknowledgement was lost):
whoever repeats it with the same key leaves a repetition in the log at worst, which every fold passes over.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ledger.adapters.kafka_client import MAX_MESSAGE, TIMEOUT
from ledger.adapters.kafka_entry import headers_of
from ledger.adapters.kafka_room import OVERHEAD, Room
from ledger.adapters.kafka_writer import KafkaWriter, Record, Stored
from ledger.broker import Broker
from ledger.errors import LedgerError, NotALedgerError, UnavailableError
from ledger.log import Appended, Entry, Position
from schemas.errors import InputError
from schemas.topics import partition_of

WAVES = 4
"""How many times the entries of one call wait for the acknowledgement of those before them."""

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
        self._topic = broker.topics.ledger
        self._writer = KafkaWriter(broker, "append to the ledger", timeout)
        self._room = room or Room(timeout)
        self._partitions = 0

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
        self._partitions = self._partitions or self._writer.partitions(self._topic)
        found: dict[tuple[int, int], Appended] = {}
        failed: LedgerError | InputError = UnavailableError("nothing was acknowledged; repeat with the same key")
        for wave in _waves(calls, self._partitions):
            errors = self._send(wave, calls, found)
            if errors:
                failed = errors[0]
                break
        sent: list[Sent] = []
        for call, entries in enumerate(calls):
            places = [(call, index) for index in range(len(entries))]
            sent.append([found[place] for place in places] if all(place in found for place in places) else failed)
        return sent

    def _send(
        self, wave: Sequence[Place], calls: Sequence[Sequence[Entry]], found: dict[tuple[int, int], Appended]
    ) -> list[LedgerError | InputError]:
        """Sends what may be sent together and waits for all of it."""
        entries = [(calls[call][place], partition) for call, place, partition in wave]
        records = [
            Record(self._topic, partition, entry.key.encode(), entry.value, headers_of(entry))
            for entry, partition in entries
        ]
        errors: list[LedgerError | InputError] = []
        for (call, index, _partition), result in zip(wave, self._writer.write(records), strict=True):
            if isinstance(result, Stored):
                found[call, index] = Appended(Position(result.partition, result.offset), result.timestamp)
            elif isinstance(result, InputError):
                errors.append(self._takes_nothing())  # one that is too large did not come to here
            else:
                errors.append(result)
        return errors

    def _takes_nothing(self) -> NotALedgerError:
        return NotALedgerError(
            f"the ledger {self._topic} takes nothing any more, nothing was written: if it was moved, set "
            "PREFLEDGER_TOPICS_VERSION to where it is now; prefledger topics describe says what is wrong with it"
        )

    def close(self) -> None:
        """Lets go of the broker. Repeatable."""
        self._writer.close()


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
