"""Takes what the tables say into the copy: as it comes until their ends are passed, then in whole steps."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from consumers.gateway.joining import Join, Step
from consumers.gateway.loading import Pieces
from consumers.gateway.ports import Feed, Place, Record
from consumers.gateway.reading import FAULTS, Unreadable, held, read
from consumers.replica.errors import OutrunError
from consumers.replica.load import ASKED
from projections import history
from projections.statement import Fields
from schemas.distributed import Watermark
from schemas.events import OPERATOR_GATEWAYS, OPERATOR_LEDGER
from schemas.topics import Table

POLL_S = 0.1
CHUNK = 200
"""How many parts are taken at once, where the steps are that small: a decision waits for one of them at most."""
READ_ON: Final[tuple[Table, Table]] = ("by-number", "by-account")
"""The reference table is read from its beginning, whatever a snapshot says."""
Batches = Sequence[tuple[Place, Sequence[Record]]]
Report = Callable[[Place, Record | None, Unreadable], None]


def read_past(feed: Feed, ends: Mapping[Place, int], goes_on: Callable[[], bool]) -> Iterator[Batches]:
    """What comes until all these ends are passed, or it is not to go on; what it gives is taken before it looks."""
    open_ = dict(ends)
    while open_ and goes_on():
        yield feed.poll(POLL_S)
        open_ = {place: end for place, end in open_.items() if feed.position(place) < end}


def must_still_be(topics: Mapping[Table, str], feed: Feed) -> None:
    """Raises OutrunError where the tables were made anew since they were these topics: offsets in those say nothing."""
    if feed.topics() != topics:
        raise OutrunError("the tables were made anew meanwhile; the copy is loaded from the topics")


class Reached(NamedTuple):
    """How far a partition of the ledger is taken, and where each table's topic goes on after that."""

    offset: int
    ends: Mapping[Table, int]


class Takes(Protocol):
    """What is to be kept current: a copy, or whoever hands it on to one."""

    def apply(self, parts: Sequence[Fields], watermark: Mapping[int, int], /) -> None:
        """Takes parts, and how far they have come, in one piece."""
        ...


class Progress(NamedTuple):
    """What a follower knows at a time, in another process."""

    blind: set[str]
    retired: set[str]
    taken: int
    recorded_at: int
    reached: Mapping[int, Reached]
    waiting: int
    is_whole: bool


class Follower:
    """Of one copy, and one thread."""

    def __init__(self, replica: Takes, partitions: int, report: Report) -> None:
        """`report` hears of what cannot be read."""
        self.replica = replica
        self.blind: set[str] = set()
        """The operator's subjects that decisions depend on and that cannot be read: nothing may be allowed."""
        self.opened: Fields | None = None
        """What the ledger said of itself when it was opened."""
        self.retired: set[str] = set()
        """The gateway processes of which somebody has said that they are gone."""
        self.taken = 0
        self.recorded_at = 0
        """The latest time that the ledger gave an entry, as far as the tables say: its clock is there at least."""
        self.reached: dict[int, Reached] = {}
        """For each partition what the copy has taken, once it has taken it."""
        self._joins = [Join() for _ in range(partitions)]
        self._reference: dict[int, list[Fields]] = {}
        self._report = report

    # --- until the ends are passed

    def pass_by(self, batches: Batches, spill: Pieces | None = None) -> None:
        """Takes parts as they come, so that nothing can be claimed of them. `spill` takes what is no reference data."""
        for place, records in batches:
            if place.table == "reference":
                self._pass_reference(place, records)
            elif spill is None:
                self._pass(place, records)
            else:
                self._spill(place, records, spill)

    def _pass(self, place: Place, records: Iterable[Record]) -> None:
        join, parts = self._joins[place.partition], []
        for _record, said in self._said(place, records):
            if isinstance(said, Watermark):
                join.marked(place.table, said.offset)
            else:
                join.passed(place.table)
                parts.append(said)
        for start in range(0, len(parts), CHUNK):
            self._apply(parts[start : start + CHUNK], {})

    def _pass_reference(self, place: Place, records: Iterable[Record]) -> None:
        """All that is decided meanwhile is decided from these: so they are taken in whole steps from the beginning."""
        waiting = self._reference.setdefault(place.partition, [])
        for _record, said in self._said(place, records):
            if isinstance(said, Watermark):
                self._joins[place.partition].marked("reference", said.offset)
                self._apply(waiting, {place.partition: said.offset})
                waiting.clear()
            else:
                waiting.append(said)

    def _spill(self, place: Place, records: Iterable[Record], spill: Pieces) -> None:
        join = self._joins[place.partition]
        for record in records:
            key, value = record.key, record.value
            if key and key[:1] != b"~":
                join.passed(place.table)
                spill.add(
                    place.table, key, value or b""
                )  # which cannot be read, and holds its subject as any such state
            else:
                for _, said in self._said(place, [record]):
                    if isinstance(said, Watermark):
                        join.marked(place.table, said.offset)

    def joins(self, partitions: Iterable[int]) -> dict[int, Join]:
        """What is known of some partitions, for another follower to `adopt`."""
        return {partition: self._joins[partition] for partition in partitions}

    def adopt(self, joins: Mapping[int, Join], recorded_at: int) -> None:
        """Another one has read the states of these partitions past their ends; the reference data was read here."""
        for partition, join in joins.items():
            self._joins[partition].adopt(join, READ_ON)
        self.recorded_at = max(self.recorded_at, recorded_at)

    def reference_mark(self, partition: int) -> int:
        """How far the reference table has come in a partition of the ledger; -1 where nothing was said of it."""
        return self._joins[partition].mark("reference")

    def begins_at(self, marks: Mapping[int, int]) -> None:
        """The copy has everything before these offsets, and is read on from where they were written."""
        for partition, offset in marks.items():
            for table in READ_ON:
                self._joins[partition].marked(table, offset)

    def begin(self, replica: Takes, positions: Mapping[Place, int]) -> None:
        """All ends are passed, and `replica` has what was read: from now on `take` is called."""
        self.replica = replica
        for partition, join in enumerate(self._joins):
            join.begin({place.table: at for place, at in positions.items() if place.partition == partition})
            for part in self._reference.pop(partition, []):
                join.add("reference", part)
        self._step(range(len(self._joins)))

    # --- from then on

    def take(self, batches: Batches) -> bool:
        """Takes parts in whole steps, and says whether anything was new."""
        for place, records in batches:
            join, table = self._joins[place.partition], place.table
            for record, said in self._said(place, records):
                if isinstance(said, Watermark):
                    join.close(table, said.offset, record.offset + 1, said.unchanged)
                else:
                    join.add(table, said)
        return self._step(sorted({place.partition for place, _ in batches}))

    def _step(self, partitions: Iterable[int]) -> bool:
        waiting: dict[int, Step] = {}
        was_new = False
        for partition in partitions:
            step = self._joins[partition].step()
            if step is None:
                continue
            was_new = True
            waiting[partition] = step
            if sum(len(each.parts) for each in waiting.values()) >= CHUNK:
                self._apply_steps(waiting)
                waiting = {}
        self._apply_steps(waiting)
        return was_new

    def _apply_steps(self, steps: Mapping[int, Step]) -> None:
        if steps:
            parts = [part for step in steps.values() for part in step.parts]
            self._apply(parts, {partition: step.offset for partition, step in steps.items()})
            self.reached |= {partition: Reached(step.offset, step.ends) for partition, step in steps.items()}

    @property
    def is_whole(self) -> bool:
        """Whether what the copy says of its watermark is true, in every partition."""
        return all(join.is_whole for join in self._joins)

    @property
    def waiting(self) -> int:
        """How many parts have come that cannot be taken yet."""
        return sum(join.waiting for join in self._joins)

    def progress(self) -> Progress:
        """What it knows now."""
        return Progress(
            set(self.blind), set(self.retired), self.taken, self.recorded_at, dict(self.reached), self.waiting,
            self.is_whole,
        )  # fmt: skip

    def __getstate__(self) -> dict[str, object]:
        """All but whom it tells: another process goes on from here, with a copy and a report of its own."""
        return {name: said for name, said in vars(self).items() if name not in ("replica", "_report")}

    def goes_on(self, replica: Takes, report: Report) -> None:
        """In another process, with what is to be kept current and told there."""
        self.replica, self._report = replica, report

    # --- both

    def _apply(self, parts: Sequence[Fields], marks: Mapping[int, int]) -> None:
        self.taken += len(parts)
        try:
            self.replica.apply(parts, marks)
        except FAULTS:
            self.replica.apply([self._mended(part) for part in parts], marks)

    def _mended(self, part: Fields) -> Fields:
        """The part, or where nothing can be made of it, a hold of its subject."""
        try:
            (history.account if part["kind"] == "account" else history.contact)([part])
        except FAULTS as error:
            place = Place("by-account" if part["kind"] == "account" else "by-number", int(part["partition"]))
            instead = held(part["kind"], part["subject"], place.partition)
            self._report(place, None, Unreadable(part["subject"], f"nothing can be made of it: {error!r}", instead))
            return instead
        return part

    def _said(self, place: Place, records: Iterable[Record]) -> Iterator[tuple[Record, Watermark | Fields]]:
        is_reference = place.table == "reference"
        for record in records:
            said = read(place, record)
            if isinstance(said, Unreadable):
                self._report(place, record, said)
                if is_reference and said.subject in ASKED:
                    self.blind.add(said.subject)
                said = said.instead
            elif isinstance(said, Watermark):
                self.recorded_at = max(self.recorded_at, said.recorded_at)
            elif is_reference and said is not None:
                self._operator(said)
            if said is not None:
                yield record, said

    def _operator(self, part: Fields) -> None:
        if part["subject"] == OPERATOR_GATEWAYS:
            self.retired |= {entry["process"] for entry in part["entries"] if entry["type"] == "GatewayRetired"}
        self.blind.discard(part["subject"])
        if part["subject"] == OPERATOR_LEDGER and part["part"] == 0:
            self.opened = next((entry for entry in part["entries"] if entry["type"] == "LedgerOpened"), self.opened)
