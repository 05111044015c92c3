"""When many events came into force, from one reading of the receipts; each as `confirmation.py` has it for one.

Receipts are years of one a second and process. So they are read once, in order, beside the events; an event that every
process heard of has told a watermark past within seconds, as nearly all are, costs a look at the latest watermarks and
no tally of its own.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from consumers.confirm import Leases, Receipts, take_register
from consumers.confirmation import MARGIN, Enforcement, Tally, Target, Told
from consumers.recent_receipts import RecentReceipts, told_at
from ledger.log import Log, Position
from projections.history import entries
from projections.log_view import LogView
from schemas.events import OPERATOR_GATEWAYS, OPERATOR_POLICY

HORIZON: Final = 2 * MARGIN
"""Within so many milliseconds nearly every event is in force."""
ALWAYS: Final = -1
"""The `until` of what is to be told of whenever it came into force."""
FAR: Final = 600_000
"""Where the next event is so much later (milliseconds), the receipts between are skipped."""


What = TypeVar("What")


class Watched(NamedTuple, Generic[What]):
    """An event to be looked at. `until`: in force by then is in force soon enough, and nothing is said of it."""

    what: What
    target: Target
    until: int


def target_of(log: Log, position: Position, recorded_at: int) -> Target:
    """An event that is not the stop switch, at any gateway that ever was."""
    return Target.of_event(log.places(position), recorded_at)


class Found(NamedTuple, Generic[What]):
    """How far an event is; `enforcement.at` is None where it is not in force everywhere yet."""

    what: What
    enforcement: Enforcement


class Register:
    """Which processes of gateways there were, and how long one may go on alone."""

    def __init__(self, log: Log) -> None:
        """Raises UnavailableError."""
        view = LogView(log)
        self.leases = Leases(entries(view.parts(OPERATOR_POLICY)))
        self.window = self.leases.longest + 2 * MARGIN
        """How long before an event receipts matter to it."""
        self._entries = entries(view.parts(OPERATOR_GATEWAYS))
        self.retired: dict[str, int] = {}
        """When each process that was retired was."""
        for entry in self._entries:
            if entry["type"] == "GatewayRetired":
                self.retired.setdefault(entry["process"], entry["recorded_at"])
        self._registered = sorted(
            entry["recorded_at"] for entry in self._entries if entry["type"] == "GatewayRegistered"
        )

    def begun_in(self, start: int, end: int) -> bool:
        """Whether a process was registered after `start`, up to `end`."""
        return bisect_right(self._registered, end) > bisect_right(self._registered, start)

    def tally(self, target: Target, heard: Collection[str]) -> Tally:
        """A tally that knows all processes but those that had gone long before its event and told nothing since."""
        tally, start = Tally(target), target.recorded_at - self.window
        known = [
            entry
            for entry in self._entries
            if (process := entry.get("process", "")) in heard or self.retired.get(process, start) >= start
        ]
        take_register(tally, known, self.leases.longest_by(target.recorded_at))
        return tally


@dataclass(slots=True)
class _Open(Generic[What]):
    """An event that is not in force yet, as far as was read."""

    watched: Watched[What]
    tally: Tally
    look_at: int
    done: Enforcement | None = None

    def take(self, told: Told) -> None:
        """Stops at the moment from which it is enforced, as `confirm` does, whenever it is asked."""
        if self.done is None:
            self.tally.take(told)
            if told.at > self.look_at:
                self.look_at = told.at + MARGIN
                found = self.tally.settled(told.at)
                self.done = found if found.enforced else None


@dataclass(slots=True)
class Enforcing(Generic[What]):
    """Reads receipts beside events. Of one thread, for one reading."""

    register: Register
    receipts: Receipts
    _recent: RecentReceipts = field(init=False)
    _open: list[_Open[What]] = field(default_factory=list)
    _told: Iterator[Told] = field(default_factory=lambda: iter(()))
    _next: Told | None = None
    _at: int = -1

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self._recent = RecentReceipts(self.register.retired)

    def of(self, events: Iterable[Watched[What]]) -> Iterator[Found[What]]:
        """Those of the events, which come in the order in which they were recorded, that were not in force in time.

        Raises UnavailableError.
        """
        for watched in events:
            recorded_at = watched.target.recorded_at
            horizon = min(HORIZON, max(0, watched.until - recorded_at))
            yield from self._read_to(recorded_at + horizon, recorded_at - self.register.window)
            if self._is_plain(watched.target):
                if self._in_time(watched):
                    continue
                if found := self._recent.certain(watched.target, recorded_at - self.register.window):
                    yield from _late([(watched, found)])
                    continue
            self._open.append(self._opened(watched))
        yield from self._read_on()

    def _read_to(self, end: int, start: int) -> Iterator[Found[What]]:
        if self._at < 0 or (start > self._at + FAR and not self._open):
            self.receipts.since(max(start, 0))
            self._recent = RecentReceipts(self.register.retired)
            self._told = self.receipts.told()
            self._next = next(self._told, None)
        while self._next is not None and self._next.at <= end:
            self._take(self._next)
            self._next = next(self._told, None)
        self._at = max(self._at, end)
        self._recent.forget(start)
        yield from self._settled()

    def _take(self, told: Told) -> None:
        self._recent.take(told)
        for one in self._open:
            one.take(told)

    def _settled(self) -> Iterator[Found[What]]:
        done = [one for one in self._open if one.done is not None]
        if done:
            self._open = [one for one in self._open if one.done is None]
            yield from _late((one.watched, one.done) for one in done if one.done)

    def _is_plain(self, target: Target) -> bool:
        """Whether only the processes matter that told something lately."""
        start = target.recorded_at - self.register.window
        return target.may_expire and not self.register.begun_in(start, target.recorded_at)

    def _in_time(self, watched: Watched[What]) -> bool:
        """Whether it certainly is: every process that any tally could wait for has told by then that it has it."""
        target, until = watched.target, watched.until
        if until < target.recorded_at:
            return False
        return all(
            told.at <= until and target.is_passed_by(told.receipt)
            for told in self._recent.last(target.recorded_at - self.register.window)
        )

    def _opened(self, watched: Watched[What]) -> _Open[What]:
        recorded_at = watched.target.recorded_at
        recent = sorted(self._recent.since(recorded_at - self.register.window), key=told_at)
        tally = self.register.tally(watched.target, {told.receipt.process for told in recent})
        one = _Open(watched, tally, recorded_at + MARGIN)
        for told in recent:
            one.take(told)
        return one

    def _read_on(self) -> Iterator[Found[What]]:
        """To the end of what was told, or until there is nothing left to wait for."""
        while self._open and self._next is not None:
            self._at = self._next.at
            self._take(self._next)
            self._next = next(self._told, None)
            yield from self._settled()
        if self._open:
            now = max(self.receipts.now(), self._at)
            yield from _late((one.watched, one.tally.settled(now)) for one in self._open)
            self._open = []


def _late(settled: Iterable[tuple[Watched[What], Enforcement]]) -> Iterator[Found[What]]:
    for watched, found in settled:
        if found.at is None or found.at > watched.until:
            yield Found(watched.what, found)
