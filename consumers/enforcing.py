"""When many events came into force, from one reading of the receipts; each as `confirmation.py` has it for one.

Receipts are years of one a second and process. So they are read once, in order, beside the events; an event that every
process heard of has told a watermark past within seconds, as nearly all are, costs a look at the latest watermarks and
no tally of its own.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from consumers.confirm import Receipts, longest_lease, take_register
from consumers.confirmation import MARGIN, Enforcement, Tally, Target, Told
from ledger.log import Log
from projections.history import entries
from projections.log_view import LogView
from projections.reference_data import Reference
from projections.statement import Fields
from schemas.events import OPERATOR_GATEWAYS, OPERATOR_POLICY

HORIZON: Final = 2 * MARGIN
"""Within so many milliseconds nearly every event is in force."""
FAR: Final = 600_000
"""Where the next event is so much later (milliseconds), the receipts between are skipped."""


class Watched(NamedTuple):
    """An event to be looked at. `until`: in force by then is in force soon enough, and nothing is said of it."""

    event_id: str
    target: Target
    until: int


class Found(NamedTuple):
    """How far an event is; `enforcement.at` is None where it is not in force everywhere yet."""

    watched: Watched
    enforcement: Enforcement


class Register:
    """Which processes of gateways there were, and how long one may go on alone."""

    def __init__(self, log: Log) -> None:
        """Raises UnavailableError."""
        view = LogView(log)
        self.lease_ms = longest_lease(Reference({OPERATOR_POLICY: view.parts(OPERATOR_POLICY)}).policies)
        self.window = self.lease_ms + 2 * MARGIN
        """How long before an event receipts matter to it."""
        self._entries = entries(view.parts(OPERATOR_GATEWAYS))
        self._retired: dict[str, int] = {}
        for entry in self._entries:
            if entry["type"] == "GatewayRetired":
                self._retired.setdefault(entry["process"], entry["recorded_at"])
        self._registered = sorted(
            entry["recorded_at"] for entry in self._entries if entry["type"] == "GatewayRegistered"
        )

    def begun_in(self, start: int, end: int) -> bool:
        """Whether a process was registered after `start`, up to `end`."""
        return bisect_right(self._registered, end) > bisect_right(self._registered, start)

    def tally(self, target: Target) -> Tally:
        """A tally that knows all processes which had not gone long before its event."""
        tally = Tally(target)
        take_register(tally, self._alive(target.recorded_at - self.window), self.lease_ms)
        return tally

    def _alive(self, at: int) -> list[Fields]:
        return [entry for entry in self._entries if self._retired.get(entry.get("process", ""), at) >= at]


@dataclass(slots=True)
class _Open:
    """An event that is not in force yet, as far as was read."""

    watched: Watched
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
class Enforcing:
    """Reads receipts beside events. Of one thread, for one reading."""

    register: Register
    receipts: Receipts
    _recent: deque[Told] = field(default_factory=deque)
    _last: dict[str, Told] = field(default_factory=dict)
    _open: list[_Open] = field(default_factory=list)
    _ahead: Iterator[Told] = field(default_factory=lambda: iter(()))
    _at: int = -1

    def of(self, events: Iterable[Watched]) -> Iterator[Found]:
        """Those of the events, which come in the order in which they were recorded, that were not in force in time.

        Raises UnavailableError.
        """
        for watched in events:
            recorded_at = watched.target.recorded_at
            yield from self._read_to(recorded_at + HORIZON, recorded_at - self.register.window)
            if not self._in_time(watched):
                self._open.append(self._opened(watched))
        yield from self._read_on()

    def _read_to(self, end: int, start: int) -> Iterator[Found]:
        if self._at < 0 or (start > self._at + FAR and not self._open):
            self.receipts.since(max(start, 0))
            self._recent.clear()
            self._last.clear()
            self._ahead = self.receipts.told()
        for told in self._ahead:
            if told.at > end:
                self._ahead = chain([told], self._ahead)
                break
            self._take(told)
        self._at = end
        while self._recent and self._recent[0].at < start:
            self._recent.popleft()
        yield from self._settled()

    def _take(self, told: Told) -> None:
        self._recent.append(told)
        self._last[told.receipt.process] = told
        for one in self._open:
            one.take(told)

    def _settled(self) -> Iterator[Found]:
        done = [one for one in self._open if one.done is not None]
        if done:
            self._open = [one for one in self._open if one.done is None]
            yield from _late(done)

    def _in_time(self, watched: Watched) -> bool:
        """Whether it certainly is: every process that any tally could wait for has told that it has it."""
        target, start = watched.target, watched.target.recorded_at - self.register.window
        if watched.until < target.recorded_at + HORIZON or not target.may_expire:
            return False
        if self.register.begun_in(start, target.recorded_at):
            return False
        heard = [told for told in self._last.values() if told.at >= start]
        [(partition, past)] = target.past.items()
        return all(told.receipt.watermark.get(partition, 0) >= past for told in heard)

    def _opened(self, watched: Watched) -> _Open:
        recorded_at = watched.target.recorded_at
        one = _Open(watched, self.register.tally(watched.target), recorded_at + MARGIN)
        for told in self._recent:
            if told.at >= recorded_at - self.register.window:
                one.take(told)
        return one

    def _read_on(self) -> Iterator[Found]:
        """To the end of what was told, or until there is nothing left to wait for."""
        end = self._at
        while self._open and (told := next(self._ahead, None)) is not None:
            end = told.at
            self._take(told)
            yield from self._settled()
        if self._open:
            now = max(self.receipts.now(), end)
            for one in self._open:
                one.done = one.tally.settled(now)
            yield from _late(self._open)


def _late(done: Sequence[_Open]) -> Iterator[Found]:
    for one in done:
        found = one.done
        if found is not None and (found.at is None or found.at > one.watched.until):
            yield Found(one.watched, found)
