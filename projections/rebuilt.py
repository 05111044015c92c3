"""All states folded from the first event, held in memory: what audits and `replay` compare with."""

from collections.abc import Iterator, Mapping, Sequence

from ledger.log import Log, Recorded
from projections.catch_up import events_in
from projections.collecting import rarely
from projections.fold import Part, fold_upon, to_bytes, to_fields
from projections.statement import Fields
from schemas.states import part_key


class Rebuilt:
    """A view of the whole log, or of it up to a watermark, made by one pass over it."""

    def __init__(self, log: Log, known: Mapping[int, int] | None = None) -> None:
        self._states: dict[str, list[Part]] = {}
        self._watermark = dict(log.ends() if known is None else known)
        with rarely():
            for partition, end in self._watermark.items():
                self._fold(log.read(partition, 0, end))

    def _fold(self, entries: Iterator[Recorded]) -> None:
        states = self._states
        for recorded, event in events_in(entries, []):
            parts = states.get(recorded.key)
            if parts is None:
                parts = states[event["subject"]] = []
            fold_upon(parts, recorded, event)

    def parts(self, subject: str) -> Sequence[Fields]:
        """The parts of one subject's state."""
        return [to_fields(part) for part in self._states.get(subject, ())]

    def watermark(self) -> Mapping[int, int]:
        """Up to where the log was read: by default to the end that it had."""
        return self._watermark

    def contacts(self) -> Iterator[str]:
        """The references of all contacts."""
        return (ref for ref, parts in self._states.items() if parts[0].kind in ("number", "email"))

    def all_parts(self) -> Iterator[tuple[str, bytes]]:
        """Every part as it would be stored, ordered by key."""
        for subject in sorted(self._states):
            keyed = {part_key(subject, number): part for number, part in enumerate(self._states[subject])}
            for key in sorted(keyed):
                yield key, to_bytes(keyed[key])
