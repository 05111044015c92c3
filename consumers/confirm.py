"""`confirm`: whether what was asked for is in force everywhere, and where it is not yet."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from consumers.confirmation import MARGIN, Enforcement, Tally, Target, Told
from ledger.errors import UnknownEventError
from ledger.leniency import EVENT_ID
from ledger.log import Log, Recorded
from projections import history
from projections.history import entries
from projections.log_view import LogView
from projections.statement import Fields
from schemas.encoding import decode
from schemas.errors import shown
from schemas.events import OPERATOR_GATEWAYS, OPERATOR_POLICY, Event, PreferenceRevoked, TrafficHalted
from schemas.policy import Policy
from schemas.times import rfc3339

UNPUBLISHED_MS = 30_000
"""A lease where no policy was published yet."""
LOOK_EVERY_S = 0.02
ASK_TIME_EVERY_S = 1.0


class Receipts(Protocol):
    """What gateways told, in the order in which they told it, on the broker's clock."""

    def since(self, at: int) -> None:
        """The next call of `told` begins with the first receipt told at a time (milliseconds) or later."""
        ...

    def told(self) -> Iterator[Told]:
        """All that was told up to now, from where the last call came to."""
        ...

    def now(self) -> int:
        """The broker's clock, milliseconds."""
        ...


class Confirmation(NamedTuple):
    """The three steps of one event, in milliseconds; `enforced_at` is None as long as it is not in force everywhere."""

    event_id: str
    requested_at: int
    recorded_at: int
    enforcement: Enforcement

    @staticmethod
    def of(recorded: Recorded, event: Event, enforcement: Enforcement) -> "Confirmation":
        """An event was asked for when it occurred; a clock that is ahead of the ledger's does not make that later."""
        requested_at = min(event.occurred_at, recorded.recorded_at)
        return Confirmation(event.event_id, requested_at, recorded.recorded_at, enforcement)

    def as_json(self) -> dict[str, Any]:
        """As `confirm --json` prints it."""
        found = self.enforcement
        return {
            "event_id": self.event_id,
            "state": "enforced" if found.enforced else "recorded",
            "requested_at": rfc3339(self.requested_at),
            "recorded_at": rfc3339(self.recorded_at),
            "enforced_at": None if found.at is None else rfc3339(found.at),
            "gateways": [
                {"name": one.name, "process": one.process, "state": one.state, "at": one.at and rfc3339(one.at)}
                for one in found.gateways
            ],
        }

    def in_words(self) -> Iterator[str]:
        """As a care agent reads it to a customer."""
        found = self.enforcement
        yield f"requested {rfc3339(self.requested_at)}"
        yield f"recorded  {rfc3339(self.recorded_at)}"
        yield f"enforced  {rfc3339(found.at)}" if found.at is not None else "enforced  not everywhere yet"
        for one in found.gateways:
            yield f"  {one.name:<24} {WORDS[one.state]}{f' {rfc3339(one.at)}' if one.at else ''}"
        if not found.gateways:
            yield "  no gateway was running: whoever starts reads it before it allows anything"


WORDS = {
    "enforced": "has it since",
    "waiting": "has not told yet that it has it",
    "expired": "may not send any more since",
}


class Confirming:
    """Follows the receipts for one event; every call of `look` takes in what was told meanwhile."""

    def __init__(self, log: Log, receipts: Receipts, event_id: str) -> None:
        """Raises UnknownEventError, UnavailableError."""
        recorded = log.find(event_id) if EVENT_ID.fullmatch(event_id) else None
        if recorded is None:
            raise UnknownEventError(f"no event {shown(event_id)} is in the ledger")
        self._event = decode(recorded.value)
        self._asked = recorded
        reference = LogView(log)
        self._receipts = receipts
        self._target = _target(log, _of_one_request(log, recorded, self._event), self._event)
        lease_ms = Leases(entries(reference.parts(OPERATOR_POLICY))).longest_by(self._target.recorded_at)
        self._tally = Tally(self._target)
        take_register(self._tally, entries(reference.parts(OPERATOR_GATEWAYS)), lease_ms)
        receipts.since(self._target.recorded_at - lease_ms - 2 * MARGIN)
        self._asks_time_at = 0.0

    def look(self) -> Confirmation:
        """How far it is now. Raises UnavailableError."""
        found = self._take()
        if not found.enforced and time.monotonic() >= self._asks_time_at:
            self._asks_time_at = time.monotonic() + ASK_TIME_EVERY_S
            found = self._tally.settled(self._receipts.now())
        return Confirmation.of(self._asked, self._event, found)

    def _take(self) -> Enforcement:
        """Takes in what was told, up to the moment from which it is enforced: that may be years ago."""
        at = self._target.recorded_at
        look_at = at + MARGIN
        for told in self._receipts.told():
            self._tally.take(told)
            at = max(at, told.at)
            if at > look_at:
                look_at = at + MARGIN
                found = self._tally.settled(at)
                if found.enforced:
                    return found
        return self._tally.settled(at)

    def wait(self, seconds: float, tell: Callable[[Confirmation], None] = lambda _now: None) -> Confirmation:
        """Looks until it is enforced or the time is up; `tell` hears of every change."""
        end, before = time.monotonic() + seconds, None
        while True:
            found = self.look()
            if found.enforcement != before:
                tell(found)
            if found.enforcement.enforced or time.monotonic() >= end:
                return found
            before = found.enforcement
            time.sleep(LOOK_EVERY_S)


def _target(log: Log, of_request: list[Recorded], event: Event) -> Target:
    places = [log.places(recorded.position) for recorded in of_request]
    past: dict[int, dict[int, int]] = {version: {} for version in set.intersection(*map(set, places))}
    for version, ends in past.items():
        for partition, offset in (of_one[version] for of_one in places):
            ends[partition] = max(ends.get(partition, 0), offset + 1)
    return Target(past, max(recorded.recorded_at for recorded in of_request), not isinstance(event, TrafficHalted))


def _of_one_request(log: Log, asked: Recorded, event: Event) -> list[Recorded]:
    """The event and, where it reached the accounts of a contact, theirs: the customer was told of one thing."""
    if not isinstance(event, PreferenceRevoked) or event.correlation_id is None:
        return [asked]
    contact = history.contact(LogView(log).parts(event.subject))
    found = [asked]
    for account, _spells in contact.accounts:
        found += [one for one in log.read_subject(account) if _is_caused_by(one, event)]
    return found


def _is_caused_by(recorded: Recorded, event: Event) -> bool:
    return event.event_id.encode() in recorded.value and decode(recorded.value).causation_id == event.event_id


class Leases:
    """How long a gateway could go on with what needs consent. What is published later changes nothing of before."""

    def __init__(self, published: Iterable[Fields]) -> None:
        """`published`: the entries of policies, in the order of the log."""
        self._times: list[int] = []
        self._longest: list[int] = []
        for entry in published:
            lease_ms = int(Policy.model_validate(entry["policy"]).lease_s * 1000)
            self._times.append(entry["recorded_at"])
            self._longest.append(max([lease_ms, *self._longest[-1:]]))

    def longest_by(self, at: int) -> int:
        """In milliseconds, under any policy that was recorded by then."""
        known = bisect_right(self._times, at)
        return self._longest[known - 1] if known else UNPUBLISHED_MS

    @property
    def longest(self) -> int:
        """In milliseconds, under any policy there ever was."""
        return self._longest[-1] if self._longest else UNPUBLISHED_MS


def take_register(tally: Tally, register: Sequence[Fields], lease_ms: int) -> None:
    """What the ledger knows of processes: which were registered, and which are gone."""
    for entry in register:
        if entry["type"] == "GatewayRegistered":
            tally.registered(entry["gateway"], entry["process"], entry["recorded_at"], lease_ms)
    for entry in register:
        if entry["type"] == "GatewayRetired":
            tally.retired(entry["process"], entry["recorded_at"])


class NoReceipts:
    """On an embedded ledger nobody keeps a copy of its own: every question is answered from the log as it is."""

    def since(self, at: int) -> None:
        """Nothing to look for."""

    def told(self) -> Iterator[Told]:
        """Nothing."""
        return iter(())

    def now(self) -> int:
        """Not asked: there is nobody to wait for."""
        return 0
