"""When an event came into force, gateway by gateway, from the gateways' own receipts. Pure.

An event is *enforced* once every gateway process that held a lease when it was recorded has told a watermark past it,
has ended, or has had its lease run out since. All times are the broker's, in milliseconds: of an event when it was
recorded, of a receipt when it was told. Clocks of gateways are never compared; a lease is a length, counted from when
it was told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ledger.log import Position
from schemas.distributed import Receipt

MARGIN: int = 5_000
"""For clocks that run at different speeds, and for a receipt that is on its way."""

State = Literal["enforced", "waiting", "expired"]


class Told(NamedTuple):
    """A receipt, and when the broker took it."""

    receipt: Receipt
    at: int


class Target(NamedTuple):
    """What has to be in force: events as the offset past them in each partition, and when the last was recorded.

    A ledger that was moved has its events at other positions than before, and old receipts speak of those: so `past`
    is by the version of the ledger's topic, of all in which every one of the events was.
    `may_expire`: a gateway whose lease has run out allows nothing that needs consent; so it counts as in force, but not
    for the stop switch, which stops what never needs consent as well.
    """

    past: Mapping[int, Mapping[int, int]]
    recorded_at: int
    may_expire: bool

    @staticmethod
    def of_event(places: Mapping[int, Position], recorded_at: int) -> "Target":
        """Of one event that is not the stop switch, by where it stands (`Log.places`) and when it was recorded."""
        past = {version: {partition: offset + 1} for version, (partition, offset) in places.items()}
        return Target(past, recorded_at, may_expire=True)

    def is_passed_by(self, receipt: Receipt) -> bool:
        """Whether who told this has all of it."""
        past = self.past.get(receipt.ledger_version)
        return past is not None and all(receipt.watermark.get(where, 0) >= end for where, end in past.items())


class AtGateway(NamedTuple):
    """How far one process of a gateway is; `at` is when it came into force there."""

    name: str
    process: str
    state: State
    at: int | None


class Enforcement(NamedTuple):
    """How far an event is at all gateways; `at` is when the last of them had it."""

    enforced: bool
    at: int | None
    gateways: tuple[AtGateway, ...]


@dataclass(slots=True)
class Process:
    """What was told by and of one process, seen from one event."""

    name: str
    held: bool = False
    """Whether it may have decided from a copy without the event."""
    until: int = 0
    """When it can no longer do so, because its lease has run out."""
    has_told: bool = False
    gone: int | None = None
    """When it was retired."""
    done: tuple[State, int] | None = None


@dataclass(slots=True)
class Tally:
    """Adds up receipts, in the order in which they were told, for one target."""

    target: Target
    processes: dict[str, Process] = field(default_factory=dict)

    def registered(self, name: str, process: str, at: int, lease_ms: int) -> None:
        """A process was registered: it may decide from then on, and its first receipt may be on its way."""
        if at <= self.target.recorded_at:
            known = self._process(name, process)
            self._lives(known, at, lease_ms)
            known.held = known.held or not self.target.may_expire

    def retired(self, process: str, at: int) -> None:
        """It ended, or somebody said that it is gone: it answers nobody from then on."""
        known = self.processes.get(process)
        if known:
            known.gone = at if known.gone is None else min(at, known.gone)
            known.held = known.held and at > self.target.recorded_at

    def take(self, told: Told) -> None:
        """A receipt."""
        receipt, at = told
        known = self._process(receipt.gateway, receipt.process)
        if known.held and known.done is None and (over := self._over(known, at)) is not None:
            known.done = ("expired", over)  # it is current again only with the event
        if known.done is not None:
            return
        self._tells(known, at)
        if self.target.is_passed_by(receipt):
            known.done = ("enforced", max(at, self.target.recorded_at))
        elif receipt.state == "ended":
            known.done = ("expired", at)
            known.held = known.held and at > self.target.recorded_at
        else:
            self._lives(known, at, receipt.lease_ms)

    def _tells(self, known: Process, at: int) -> None:
        if not known.has_told and at <= self.target.recorded_at:
            # That its first receipt may be on its way no longer matters: its leases are those that it tells.
            known.until, known.held = 0, known.held and not self.target.may_expire
        known.has_told = True

    def _lives(self, known: Process, at: int, lease_ms: int) -> None:
        # A copy that has not passed the event was last complete before it; and a process whose receipts do not arrive
        # for as long as its lease stops by itself. So it ends a lease after the earlier of the two.
        before = at <= self.target.recorded_at
        known.until = max(known.until, min(at, self.target.recorded_at) + lease_ms)
        # One that is first heard of later was registered later, and passes the end that the ledger had then, and so
        # the event, before it allows anything.
        known.held = known.held or (before and known.until + MARGIN >= self.target.recorded_at)
        if known.gone is not None and known.gone <= self.target.recorded_at:
            known.held = False

    def settled(self, now: int) -> Enforcement:
        """How far it is at a time of the broker's clock."""
        found = [self._at(id_, one, now) for id_, one in sorted(self.processes.items()) if one.held]
        is_open = any(one.state == "waiting" for one in found)
        times = [one.at for one in found if one.at is not None]
        return Enforcement(not is_open, None if is_open else max([self.target.recorded_at, *times]), tuple(found))

    def _at(self, process: str, known: Process, now: int) -> AtGateway:
        if known.done is not None:
            return AtGateway(known.name, process, *known.done)
        over = self._over(known, now)
        if over is not None:
            return AtGateway(known.name, process, "expired", over)
        return AtGateway(known.name, process, "waiting", None)

    def _over(self, known: Process, now: int) -> int | None:
        """When it could decide no more without having told that it has the event; None as long as it could."""
        ends = [known.gone] if known.gone is not None else []
        if self.target.may_expire:
            ends.append(max(known.until + MARGIN, self.target.recorded_at))
        return min((end for end in ends if end < now), default=None)

    def _process(self, name: str, process: str) -> Process:
        return self.processes.setdefault(process, Process(name))
