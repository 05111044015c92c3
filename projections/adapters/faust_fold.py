"""The product's own fold, for a worker: `projections.fold` over the states of one partition."""

import base64
from collections.abc import Iterable, Mapping
from itertools import islice

from ledger.log import Position, Recorded
from projections.adapters.faust_batch import Folded, Record, SetAside, States
from projections.catch_up import events_in, fold_batch
from projections.fold import Part, from_bytes, to_bytes
from projections.view import Rejected
from schemas.distributed import RejectedEntry
from schemas.topics import TABLE_OF, TABLES, Table

LARGEST_ENTRY = 1_000_000
"""Bytes of an entry; what is larger is set aside unread."""
LARGEST_COPY = 500_000
"""Bytes of an entry that is set aside with what it says."""
LARGEST_PART = 900_000
"""Bytes of a part of a state: what the tables' topics take. Entries that would make one larger are set aside."""
KEPT = 200_000
"""How many subjects are kept as they are folded; the others are read from their stored form again."""

Ends = tuple[Part, Part]


class _Ends:
    """First and last part of the subjects of a batch, looked up when they are asked for."""

    def __init__(self, states: States) -> None:
        self.states = states
        self._tables = [states[name] for name in TABLES]
        self._kept: dict[str, Ends] = {}

    def get(self, subject: str) -> Ends | None:
        found = self._kept.get(subject)
        return self._stored(subject) if found is None else found

    def _stored(self, subject: str) -> Ends | None:
        key = subject.encode()
        for table in self._tables:
            stored = table.get(key)
            if stored is not None:
                first = from_bytes(stored)
                if first.parts == 1:
                    return first, first
                return first, from_bytes(table[f"{subject}#{(first.parts or 1) - 1}".encode()])
        return None

    def keep(self, changed: Iterable[Part]) -> None:
        """Takes over what a batch changed."""
        kept = self._kept
        for part in changed:
            ends = self.get(part.subject)
            first, last = ends or (part, part)
            if part.part == 0:
                kept[part.subject] = (part, part if last.part == 0 else last)
            elif part.part >= last.part:
                kept[part.subject] = (first, part)
        if len(kept) > KEPT:
            for subject in list(islice(kept, len(kept) // 2)):
                del kept[subject]


class ProductFold:
    """States as every other runner makes them, byte for byte."""

    def __init__(self, topic: str, partition: int, states: States, recorded_at: int) -> None:
        self._topic = topic
        self._partition = partition
        self._recorded_at = recorded_at
        self._ends = _Ends(states)

    def fold(self, records: Iterable[Record]) -> Folded:
        """The parts that a batch changes; what in it is no event of its key is set aside."""
        rejected: list[Rejected] = []
        found = {record.offset: record for record in records}
        entries = [entry for record in found.values() if (entry := self._read(record, rejected))]
        changed = self._folded(entries, rejected)
        states = _encoded(changed)
        if large := _too_large(states):
            changed, states = self._without(large, entries, changed, rejected)
        self._ends.keep(changed.values())
        rejected.sort()
        aside = [self._set_aside(found[each.position.offset], each.reason) for each in rejected]
        return Folded(states, aside, self._recorded_at)

    def _read(self, record: Record, rejected: list[Rejected]) -> Recorded | None:
        position = Position(self._partition, record.offset)
        self._recorded_at = max(self._recorded_at, record.timestamp)
        key, value = record.key, record.value
        if key is None or value is None:
            reason = "it has no value" if key else "it has no key"
        elif len(value) > LARGEST_ENTRY:
            reason = f"it has {len(value)} bytes, and {LARGEST_ENTRY} are the most"
        else:
            try:
                return Recorded(position, self._recorded_at, key.decode(), value)
            except UnicodeDecodeError:
                reason = "its key is not UTF-8"
        rejected.append(Rejected(position, "", reason))
        return None

    def _folded(self, entries: list[Recorded], rejected: list[Rejected]) -> dict[str, Part]:
        aside: list[Rejected] = []
        try:
            changed = fold_batch(events_in(entries, aside), self._ends)  # type: ignore[arg-type]  # only `get` is used
        except Exception:  # an event that passes for one and cannot be folded must not stop those behind it
            aside = []
            changed = self._one_by_one(entries, aside)
        rejected.extend(aside)
        return changed

    def _one_by_one(self, entries: list[Recorded], rejected: list[Rejected]) -> dict[str, Part]:
        ends = _Ends(self._ends.states)
        ends.keep(part for found in map(self._ends.get, {each.key for each in entries}) for part in found or ())
        changed: dict[str, Part] = {}
        for recorded in entries:
            try:
                parts = fold_batch(events_in([recorded], rejected), ends)  # type: ignore[arg-type]
            except Exception as error:
                rejected.append(Rejected(recorded.position, recorded.key, f"it cannot be folded: {error!r}"[:500]))
                continue
            ends.keep(parts.values())
            changed |= parts
        return changed

    def _without(
        self, large: set[str], entries: list[Recorded], changed: Mapping[str, Part], rejected: list[Rejected]
    ) -> tuple[dict[str, Part], dict[Table, dict[bytes, bytes]]]:
        """What a batch changes if the entries of some subjects are set aside, because a part would be too large."""
        known = {each.position.offset for each in rejected}
        reason = f"the state of its subject would be larger than {LARGEST_PART} bytes"
        rejected.extend(
            Rejected(each.position, each.key, reason)
            for each in entries
            if each.key in large and each.position.offset not in known
        )
        kept = {key: part for key, part in changed.items() if part.subject not in large}
        return kept, _encoded(kept)

    def _set_aside(self, record: Record, reason: str) -> SetAside:
        value = record.value
        said = RejectedEntry(
            topic=self._topic,
            partition=self._partition,
            offset=record.offset,
            key=None if record.key is None else record.key.decode(errors="replace"),
            reason=reason,
            value=None if value is None or len(value) > LARGEST_COPY else base64.b64encode(value).decode(),
        )
        return SetAside(record.key, said.model_dump_json().encode())


def _encoded(changed: Mapping[str, Part]) -> dict[Table, dict[bytes, bytes]]:
    states: dict[Table, dict[bytes, bytes]] = {name: {} for name in TABLES}
    for key, part in changed.items():
        states[TABLE_OF[part.kind]][key.encode()] = to_bytes(part)
    return states


def _too_large(states: Mapping[Table, Mapping[bytes, bytes]]) -> set[str]:
    return {
        key.decode().partition("#")[0]
        for parts in states.values()
        for key, part in parts.items()
        if len(part) > LARGEST_PART
    }
