"""Imports a list: one pass to know it, one to record it, batch after batch, each durable before it is counted.

While one batch is drafted, the identities of the one before and the events of the one before that are being stored;
each of these is done by one thread, so batches keep their order. A crash leaves whole batches behind. Run again, each
row finds itself recorded by its key (`rows.py`), and the rest follows.
"""

import gc
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from consumers.importing.mapping import Mapping
from consumers.importing.options import Options
from consumers.importing.provenance import FlagFollowUps, origin
from consumers.importing.readers import Reader, Row, reader
from consumers.importing.rejects import Rejects
from consumers.importing.rows import HalfUnderstood, Rows
from consumers.importing.source import Source, opened
from consumers.importing.spool import in_order
from consumers.importing.window import BATCH, WINDOW, Made, Window
from ledger.log import Position
from ledger.record import Answers, Receipt, Recorder
from ledger.reference import References
from ledger.stamp import Draft
from schemas.errors import InputError

AHEAD: Final = 2  # batches: while one is drafted, another's identities and a third's events are on their way
UNDATED: Final = 1 << 62  # as of the import: after everything that has a date
Progress = Callable[[int, int, int], None]
"""Called with the rows done, the bytes done and all bytes, after each batch; may block, to pace the import."""


@dataclass(slots=True)
class Result:
    """Rows, each recorded, a duplicate, or rejected; `flagged` are those recorded that a person should look at."""

    rows: int = 0
    recorded: int = 0
    duplicates: int = 0
    rejected: int = 0
    flagged: int = 0
    rejects_file: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As `import --json` prints it."""
        return asdict(self)


def load(path: Path, recorder: Recorder, options: Options, progress: Progress | None = None) -> Result:
    """Imports a file. Raises InputError before anything is written where the file or an option cannot be meant, and
    UnavailableError in the middle: then run it again, nothing is recorded twice.

    A dry run reads and checks everything and records nothing; it counts what would be recorded if nothing of it
    had been recorded before.
    """
    options.check()
    target = options.rejects or path.with_name(path.name + ".rejects.csv")
    if target.absolute() == path.absolute():
        raise InputError("the rejects file is the file to import; name another with --rejects")
    source = opened(path)
    found = reader(source, options.header)
    mapping = Mapping(found.columns, options)
    shared = origin(source.digest, options)
    rows = Rows(mapping, options, source.digest, shared, time.time_ns() // 1_000_000)
    total, ordered = _surveyed(found, rows, "occurred_at" in mapping.places)
    with Rejects(target, found.columns) as rejects:
        source.must_be_unchanged("nothing was recorded")
        loading = Loading(source, found, rows, rejects, FlagFollowUps(recorder, source.digest, shared))
        with _as_bulk_work():
            result = loading.run(recorder, options.dry_run, total, ordered, progress)
    result.rejects_file = str(target) if rejects.count else None
    source.must_be_unchanged(f"{result.recorded:,} rows of it were recorded, import it again")
    return result


@contextmanager
def _as_bulk_work() -> Iterator[None]:
    """How the interpreter goes about it. A window is half a million objects without cycles: at the usual threshold
    looking for some is a third of all work. And the threads that store take the interpreter's lock back after each
    statement: at the usual interval they wait for it longer than they work."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(1_000_000, *threshold[1:])
    sys.setswitchinterval(0.000_1)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)


def _surveyed(found: Reader, rows: Rows, dated: bool) -> tuple[int, bool]:
    """How many rows there are, and whether they stand in the order of time. Meets all that makes a file unreadable."""
    total, last, ordered = 0, 0, True
    for row in found.rows():
        total += 1
        if dated and ordered:
            moment = _moment(rows, row)
            ordered, last = moment >= last, moment
    if total == 0:
        raise InputError("the file has no rows; nothing was recorded")
    return total, ordered


def _moment(rows: Rows, row: Row) -> int:
    moment = None if row.trouble else rows.moment(row.cells)
    return UNDATED if moment is None else moment


Batch = tuple[Window, Sequence[int], int, "Future[Answers]"]


class Loading:
    """The second pass over one file."""

    def __init__(self, source: Source, found: Reader, rows: Rows, rejects: Rejects, follow_ups: FlagFollowUps) -> None:
        self._size = source.size
        self._reader = found
        self._rows = rows
        self._rejects = rejects
        self._follow_ups = follow_ups
        self._result = Result()

    def run(self, recorder: Recorder, dry_run: bool, total: int, ordered: bool, progress: Progress | None) -> Result:
        """Records all rows; in a dry run only drafts them."""
        submit = _not_stored if dry_run else recorder.submit
        ahead: deque[Batch] = deque()
        with ThreadPoolExecutor(1, "import") as thread:
            for window, batch in self._batches(ordered, recorder.references):
                drafts = recorder.drafts([window.requests[place] for place in batch])
                first = self._follow_ups.opened_by(drafts)
                ahead.append((window, batch, len(first), thread.submit(submit, [*first, *drafts])))
                if len(ahead) > AHEAD:
                    self._settle(*ahead.popleft())
                    self._tell(progress, total)
            while ahead:
                self._settle(*ahead.popleft())
        self._tell(progress, total)
        return self._result

    def _tell(self, progress: Progress | None, total: int) -> None:
        if progress:
            progress(self._result.rows, self._size * self._result.rows // total, self._size)

    def _batches(self, ordered: bool, references: References) -> Iterator[tuple[Window, Sequence[int]]]:
        """While the batches of one window are on their way, the rows of the next are read."""
        rows: Iterable[Row] = self._reader.rows()
        if not ordered:
            rows = in_order((_moment(self._rows, row), place, row) for place, row in enumerate(rows))
        made = map(self._made, rows)
        upcoming = list(islice(made, WINDOW))
        while upcoming:
            window, upcoming = Window(upcoming, references), []
            for batch in window.batches():
                yield window, batch
                upcoming += islice(made, BATCH)
            upcoming += islice(made, WINDOW - len(upcoming))

    def _made(self, row: Row) -> Made:
        try:
            if row.trouble:
                raise InputError(row.trouble)
            return Made(row, self._rows.requests(row.cells), None)
        except HalfUnderstood as half:
            return Made(row, half.requests, str(half))
        except InputError as error:
            return Made(row, [], str(error))

    def _settle(self, window: Window, batch: Sequence[int], follow_ups: int, submitted: "Future[Answers]") -> None:
        """Notes what became of a batch, once it is durable, and counts the rows of a window that is done."""
        for made, answers in window.settled(batch, submitted.result()()[follow_ups:]):
            self._count(made.row, made.wrong, answers)

    def _count(self, row: Row, wrong: str | None, answers: list[Receipt | InputError]) -> None:
        result = self._result
        result.rows += 1
        new = flagged = False
        for answer in answers:
            if isinstance(answer, InputError):
                wrong = wrong or str(answer)
            elif not answer.duplicate:
                new, flagged = True, flagged or bool(answer.flags)
        if wrong:
            result.rejected += 1
            self._rejects.add(row, f"{self._reader.place} {row.line}: {wrong}")
        else:
            result.recorded += new
            result.duplicates += not new
            result.flagged += flagged


def _not_stored(drafts: Sequence[Draft | InputError]) -> Answers:
    return lambda: [_as_if_stored(draft) if isinstance(draft, Draft) else draft for draft in drafts]


def _as_if_stored(draft: Draft) -> Receipt:
    draft.unfold()
    event = draft.events[draft.main]
    key = draft.keys[draft.main]
    return Receipt(event.event_id, event.received_at, Position(0, 0), key, False, event.flags, (), ())
