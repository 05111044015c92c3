"""Puts the three tables together again: for each partition of the ledger, all that lies before one offset. Pure.

A worker writes the states of a batch and a watermark into the tables that it changes, in one transaction; a reader sees
the tables one after the other. What lies before the same watermark in all three belongs together: it is given out in
one piece, and the watermark then names exactly what was taken. A table that was not changed has the watermark too, as
soon as the one that it had before was read in it.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from projections.statement import Fields
from schemas.topics import TABLES, Table

NONE: Mapping[Table, int] = {}


class Segment(NamedTuple):
    """Parts of states between two watermarks of a table's partition. `end`: where in the topic the next one begins."""

    offset: int
    end: int
    parts: list[Fields]


class Step(NamedTuple):
    """What is to be taken in one piece; from then on everything before `offset` of the ledger's partition is in."""

    offset: int
    parts: list[Fields]
    ends: dict[Table, int]


@dataclass(slots=True)
class Lane:
    """One table's partition. `mark`: its last watermark; `dirty`: parts came after it."""

    mark: int = -1
    dirty: bool = False
    open: list[Fields] = field(default_factory=list)
    closed: deque[Segment] = field(default_factory=deque)
    unchanged: list[tuple[int, int]] = field(default_factory=list)
    """Watermarks that count here as well, each once another one was read here: (that one, the watermark)."""

    def boundary(self, limit: int) -> int:
        """The last watermark at or before an offset; -1 where there is none."""
        return next((segment.offset for segment in reversed(self.closed) if segment.offset <= limit), -1)

    def stood_still(self, since: int, offset: int) -> None:
        """Nothing came into this table between these two watermarks.

        Where the first could not be read, what it closes is mixed with what came later: then the second says nothing.
        """
        place = len(self.closed)
        while place and self.closed[place - 1].offset > offset:
            place -= 1
        if place and since <= self.closed[place - 1].offset < offset:
            self.closed.insert(place, Segment(offset, self.closed[place - 1].end, []))
            self.mark = max(self.mark, offset)


class Join:
    """The three tables in one partition of the ledger.

    First they are read past their ends, `passed` part by part, and what comes is taken at once: nothing is claimed.
    From `begin` on parts wait until all three tables have come to one watermark.
    """

    def __init__(self) -> None:
        self._lanes: dict[Table, Lane] = {table: Lane() for table in TABLES}
        self._floor = self._taken = -1

    # --- before `begin`

    def passed(self, table: Table) -> None:
        """A part was taken as it came."""
        self._lanes[table].dirty = True

    def marked(self, table: Table, offset: int) -> None:
        """A watermark was read."""
        lane = self._lanes[table]
        lane.mark, lane.dirty = max(lane.mark, offset), False

    def adopt(self, other: "Join", tables: Iterable[Table]) -> None:
        """These tables were read there."""
        self._lanes |= {table: other._lanes[table] for table in tables}

    def mark(self, table: Table) -> int:
        """The last watermark that was read of a table; -1 before any."""
        return self._lanes[table].mark

    def begin(self, ends: Mapping[Table, int]) -> None:
        """From now on parts are put together; `ends` is where each table's next record stands in its topic."""
        for table, lane in self._lanes.items():
            if not lane.dirty and lane.mark >= 0:
                lane.closed.append(Segment(lane.mark, ends[table], []))
        # What was taken already may be ahead in one table: nothing is claimed before all have come to where it is.
        self._floor = max(lane.mark + lane.dirty for lane in self._lanes.values())

    # --- after it

    def add(self, table: Table, part: Fields) -> None:
        """A part, in the order of its table."""
        self._lanes[table].open.append(part)

    def close(self, table: Table, offset: int, end: int, unchanged: Mapping[Table, int] = NONE) -> None:
        """A watermark: what came before it in this table belongs to it. `end`: the offset after its record."""
        self._close(self._lanes[table], offset, end)
        for other, since in unchanged.items():
            self._lanes[other].unchanged.append((since, offset))
            self._infer(self._lanes[other])

    @staticmethod
    def _infer(lane: Lane) -> None:
        """Of what the other tables' watermarks say, takes that for which this one was read far enough."""
        if lane.dirty:
            # What was taken of it may belong to a later watermark than any that others can tell of.
            lane.unchanged.clear()
            return
        for since, offset in lane.unchanged:
            if since <= lane.mark:
                lane.stood_still(since, offset)
        lane.unchanged = [each for each in lane.unchanged if each[0] > lane.mark]

    def _close(self, lane: Lane, offset: int, end: int) -> None:
        offset = max(offset, lane.mark)  # never backwards, whoever wrote it
        lane.mark = offset
        if lane.closed and lane.closed[-1].offset == offset:
            lane.open = lane.closed.pop().parts + lane.open
        lane.closed.append(Segment(offset, end, lane.open))
        lane.open, lane.dirty = [], False
        self._infer(lane)

    def step(self) -> Step | None:
        """All that can be taken now, up to the last watermark that all three tables have; None where nothing is new."""
        offset = self._common()
        if offset < self._floor or offset < 0:
            return None
        parts: list[Fields] = []
        ends: dict[Table, int] = {}
        for table, lane in self._lanes.items():
            while lane.closed and lane.closed[0].offset <= offset:
                taken = lane.closed.popleft()
                parts += taken.parts
                ends[table] = taken.end
            # It stays a watermark that this table has: an idle worker repeats it.
            lane.closed.appendleft(Segment(offset, ends[table], []))
        is_new, self._taken = offset > self._taken, offset
        return Step(offset, parts, ends) if is_new or parts else None

    def _common(self) -> int:
        """The last watermark that all three tables have closed; -1 where there is none."""
        lanes = list(self._lanes.values())
        limit = min((lane.closed[-1].offset if lane.closed else -1) for lane in lanes)
        while limit >= 0:
            found = min(lane.boundary(limit) for lane in lanes)
            if found == limit:
                return limit
            limit = found
        return -1

    @property
    def is_whole(self) -> bool:
        """Whether all that was taken belongs to one watermark."""
        return self._taken >= 0

    @property
    def waiting(self) -> int:
        """How many parts wait for a watermark."""
        lanes = self._lanes.values()
        return sum(len(lane.open) + sum(len(segment.parts) for segment in lane.closed) for lane in lanes)
