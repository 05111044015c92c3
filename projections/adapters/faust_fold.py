"""The product's own fold, for a worker: `projections.fold` over the states of one partition."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from ledger.log import Position, Recorded
from projections.adapters.faust_batch import Folded, Record, SetAside, States
from projections.catch_up import events_in
from projections.fold import Part, fold, from_bytes, key_of, to_bytes
from projections.view import Rejected
from schemas.distributed import LONGEST_KEY, RejectedEntry
from schemas.states import part_key
from schemas.topics import TABLE_OF, TABLES, Table

LARGEST_ENTRY = 1_000_000
"""Bytes of an entry; what is larger is set aside unread."""
LARGEST_PART = 900_000
"""Bytes of the entries of a part of a state: what the tables' topics take. One that would make it larger is set aside.
"""
SMALL = 7_000
"""Bytes of an entry: so many of these that a part is full do not make it half as large as it may be."""
KEPT = 200_000
"""How many subjects are kept as they are folded; the others are read from their stored form again."""

Ends = tuple[Part | None, Part | None]
"""First and last part of a state."""


class ProductFold:
    """States as every other runner makes them, byte for byte."""

    def __init__(self, topic: str, partition: int, states: States, recorded_at: int, kept: int | None = KEPT) -> None:
        """`kept` is how many subjects are kept as they are folded, None for all."""
        self.recorded_at = recorded_at
        self._topic = topic
        self._partition = partition
        self._tables = [states[name] for name in TABLES]
        self._most = kept
        self._kept: dict[str, Ends] = {}
        self._bulky: set[str] = set()

    def fold(self, records: Sequence[Record]) -> Folded:
        """The parts that a batch changes; what in it is no event of its key is set aside."""
        changed, rejected = self.changed(records)
        self._forget_some()
        return Folded(encoded(changed), rejected, self.recorded_at)

    def changed(self, records: Sequence[Record]) -> tuple[dict[str, Part], Sequence[SetAside]]:
        """As `fold`, the parts by key and not encoded."""
        rejected: list[Rejected] = []
        changed: dict[str, Part] = {}
        try:
            self._add(records, changed, rejected)
        except Exception:  # what cannot even be refused must not stop what stands behind it
            self._add_one_by_one(records, changed, rejected)
        return changed, self._set_aside(records, rejected) if rejected else ()

    def _readable(self, records: Sequence[Record], rejected: list[Rejected]) -> Iterator[Recorded]:
        partition, recorded_at = self._partition, self.recorded_at
        for record in records:
            key, value = record.key, record.value
            if record.timestamp > recorded_at:
                recorded_at = self.recorded_at = record.timestamp
            position = Position(partition, record.offset)
            if reason := _unreadable(key, value):
                rejected.append(Rejected(position, "", reason))
            else:
                yield Recorded(position, recorded_at, key.decode(), value)  # type: ignore[union-attr,arg-type]

    def _add(self, records: Sequence[Record], changed: dict[str, Part], rejected: list[Rejected]) -> None:
        kept = self._kept
        for recorded, event in events_in(self._readable(records, rejected), rejected):
            key = recorded.key
            first, last = kept.get(key) or self._stored(key)
            try:
                parts = fold(first, last, recorded, event)
            except Exception as error:
                rejected.append(Rejected(recorded.position, key, f"it cannot be folded: {error!r}"))
                continue
            if (len(recorded.value) > SMALL or key in self._bulky) and self._is_too_large(parts, recorded, rejected):
                continue
            for last in parts:
                if last.part == 0:
                    first = changed[key] = last
                else:
                    changed[key_of(last)] = last
            kept[key] = (first, last)

    def _stored(self, subject: str) -> Ends:
        """First and last part of a state as the tables hold them."""
        key = subject.encode()
        for table in self._tables:
            stored = table.get(key)
            if stored is not None:
                first = last = from_bytes(stored)
                if first.parts is not None and first.parts > 1:
                    stored = table[part_key(subject, first.parts - 1).encode()]
                    last = from_bytes(stored)
                if len(stored) > LARGEST_PART // 2:
                    self._bulky.add(subject)
                return first, last
        return None, None

    def _is_too_large(self, parts: Sequence[Part], recorded: Recorded, rejected: list[Rejected]) -> bool:
        self._bulky.add(recorded.key)
        if all(sum(map(len, part.entries)) <= LARGEST_PART for part in parts):
            return False
        reason = f"the state of its subject would be larger than {LARGEST_PART} bytes"
        rejected.append(Rejected(recorded.position, recorded.key, reason))
        return True

    def _add_one_by_one(self, records: Sequence[Record], changed: dict[str, Part], rejected: list[Rejected]) -> None:
        """Goes through a batch again; what of it was folded already changes nothing."""
        for record in records:
            try:
                self._add([record], changed, rejected)
            except Exception as error:
                position = Position(self._partition, record.offset)
                rejected.append(Rejected(position, "", f"it cannot be read: {error!r}"))

    def _forget_some(self) -> None:
        if self._most is not None and len(self._kept) > self._most:
            for subject in list(islice(self._kept, len(self._kept) // 2)):
                del self._kept[subject]

    def _set_aside(self, records: Sequence[Record], rejected: list[Rejected]) -> list[SetAside]:
        reasons = {each.position.offset: each.reason for each in rejected}
        return [self._rejected(each, reasons[each.offset]) for each in records if each.offset in reasons]

    def _rejected(self, record: Record, reason: str) -> SetAside:
        key = record.key
        said = RejectedEntry.of(self._topic, self._partition, record.offset, reason, key, record.value)
        return SetAside(None if key is None else key[:LONGEST_KEY], said.model_dump_json().encode())


def _unreadable(key: bytes | None, value: bytes | None) -> str | None:
    if key is None:
        return "it has no key"
    if value is None:
        return "it has no value"
    if len(value) > LARGEST_ENTRY:
        return f"it has {len(value)} bytes, and {LARGEST_ENTRY} are the most"
    if not key.isascii():
        try:
            key.decode()
        except UnicodeDecodeError:
            return "its key is not UTF-8"
    return None


def encoded(changed: Mapping[str, Part]) -> dict[Table, dict[bytes, bytes]]:
    """Parts as the tables hold them, by table and key."""
    states: dict[Table, dict[bytes, bytes]] = {name: {} for name in TABLES}
    by_kind = {kind: states[table] for kind, table in TABLE_OF.items()}
    for key, part in changed.items():
        by_kind[part.kind][key.encode()] = to_bytes(part)
    return states
