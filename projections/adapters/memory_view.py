"""States in memory: for tests, and for rebuilding beside what is live."""

from collections.abc import Iterator, Mapping, Sequence

from projections.fold import Part, to_bytes, to_fields
from projections.statement import Fields
from projections.view import Rejected
from schemas.states import part_key


class MemoryView:
    """A store that lasts as long as the process."""

    def __init__(self) -> None:
        self._states: dict[str, list[Part]] = {}
        self._watermark: dict[int, int] = {}
        self._rejected: list[Rejected] = []

    def parts(self, subject: str) -> Sequence[Fields]:
        """The parts of one subject's state."""
        return [to_fields(part) for part in self._states.get(subject, ())]

    def parts_of_many(self, subjects: Sequence[str]) -> dict[str, Sequence[Part]]:
        """First and last part of each subject that has a state."""
        states = self._states
        return {subject: (states[subject][0], states[subject][-1]) for subject in subjects if subject in states}

    def watermark(self) -> Mapping[int, int]:
        """How far the states have applied each partition."""
        return dict(self._watermark)

    def write(
        self,
        parts: Mapping[str, Part],
        rejected: Sequence[Rejected],
        seen: Mapping[int, int],
        reached: Mapping[int, int],
    ) -> bool:
        """Stores parts and watermark, if the watermark still is `seen`."""
        if dict(seen) != self._watermark:
            return False
        for part in parts.values():
            kept = self._states.setdefault(part.subject, [])
            kept[part.part : part.part + 1] = [part]
        self._rejected.extend(rejected)
        self._watermark = dict(reached)
        return True

    def all_parts(self) -> Iterator[tuple[str, bytes]]:
        """Every part, ordered by key."""
        keyed = {part_key(part.subject, part.part): part for parts in self._states.values() for part in parts}
        for key in sorted(keyed):
            yield key, to_bytes(keyed[key])

    def rejected(self) -> Sequence[Rejected]:
        """What was set aside."""
        return tuple(self._rejected)
