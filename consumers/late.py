"""Opt-outs that were not in force in time, at all gateways or at some, over the whole history.

On Kafka from the gateways' own receipts. On one machine every answer comes from the log itself, so that an opt-out is
in force when it is recorded; late is then what was recorded late.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import merge
from typing import Any, Final, Literal, NamedTuple

from consumers.confirm import Receipts
from consumers.confirmation import Enforcement
from consumers.deadlines import By
from consumers.enforcing import Enforcing, Register, Watched, target_of
from ledger.log import Log, Recorded
from schemas.encoding import UnreadableEvent, decode
from schemas.events import PreferenceRevoked
from schemas.times import rfc3339

Since = Literal["said", "received"]
NO: Final = b'"PreferenceRevoked"'
"""Stands in every revocation; what has it not is passed over unread."""

COLUMNS: Final[dict[str, type]] = {
    "event_id": str, "subject": str, "ref": str, "kind": str, "brand": str, "channel": str, "purpose": str,
    "said_at": datetime, "received_at": datetime, "recorded_at": datetime, "due_at": datetime,
    "enforced_at": datetime, "state": str, "lag_s": float, "gateways": list, "procedure": str, "since": datetime,
}  # fmt: skip


class No(NamedTuple):
    """An opt-out: when it began to be due, and the last moment at which it is in force in time (milliseconds)."""

    recorded: Recorded
    event: PreferenceRevoked
    since: int
    due: int


class Late(NamedTuple):
    """An opt-out that came into force too late, or is not in force yet."""

    no: No
    enforcement: Enforcement

    def lag_ms(self, now: int) -> int:
        """From when it was said or received to when it was in force everywhere; to `now` where it is not."""
        return (now if self.enforcement.at is None else self.enforcement.at) - self.no.since

    def slowest(self) -> list[str]:
        """The gateways that had it too late, or have it not."""
        return sorted({one.name for one in self.enforcement.gateways if one.at is None or one.at > self.no.due})


def noes(log: Log, since: Since, by: By) -> Iterator[No]:
    """Every opt-out in the order in which they were recorded, over all partitions."""
    partitions = [_noes(log, partition, end, since, by) for partition, end in log.ends().items()]
    return merge(*partitions, key=_recorded_at) if len(partitions) > 1 else partitions[0]


def _recorded_at(no: No) -> int:
    return no.recorded.recorded_at


def _noes(log: Log, partition: int, end: int, since: Since, by: By) -> Iterator[No]:
    for recorded in log.read(partition, 0, end):
        if NO not in recorded.value:
            continue
        try:
            event = decode(recorded.value)
        except UnreadableEvent:
            continue  # `doctor` reports it
        if isinstance(event, PreferenceRevoked):
            begun = min(event.occurred_at if since == "said" else event.received_at, recorded.recorded_at)
            yield No(recorded, event, begun, by(begun))


def late(log: Log, receipts: Receipts, found: Iterable[No], now: int) -> Iterator[Late]:
    """Those that were not in force in time; one that is not yet due at `now` (milliseconds) is none of them.

    Raises UnavailableError.
    """
    watched = (Watched(no, target_of(log, no.recorded.position, no.recorded.recorded_at), no.due) for no in found)
    enforcing: Enforcing[No] = Enforcing(Register(log), receipts)
    for no, enforcement in enforcing.of(watched):
        if enforcement.at is not None or no.due < now:
            yield Late(no, enforcement)


def within(jurisdiction: str) -> Callable[[Late], bool]:
    """Whether an opt-out may be under the law of a country: it says so, or does not say under which it is."""
    return lambda one: one.no.event.jurisdiction in (None, jurisdiction)


def as_json(one: Late, names: Mapping[str, str], now: int) -> dict[str, Any]:
    """An opt-out that was late, as one line of `late --json`; times are RFC 3339, the lag is in seconds."""
    (recorded, event, since, due), found = one
    return {
        "event_id": event.event_id,
        "subject": names[event.subject],
        "ref": event.subject,
        "kind": event.kind,
        "brand": event.scope.brand,
        "channel": event.scope.channel,
        "purpose": event.scope.purpose,
        "said_at": rfc3339(event.occurred_at),
        "received_at": rfc3339(event.received_at),
        "recorded_at": rfc3339(recorded.recorded_at),
        "due_at": rfc3339(due),
        "enforced_at": None if found.at is None else rfc3339(found.at),
        "state": "enforced" if found.enforced else "recorded",
        "lag_s": round(one.lag_ms(now) / 1_000, 3),
        "gateways": one.slowest(),
        "procedure": event.capture.procedure,
        "since": rfc3339(since),
    }


def in_words(line: Mapping[str, Any]) -> str:
    """One line as a person reads it."""
    how = f"in force {line['enforced_at']}" if line["enforced_at"] else "not in force everywhere yet"
    where = f", last at {', '.join(line['gateways'])}" if line["gateways"] else ""
    return (
        f"late  {line['subject']}: said {line['said_at']}, due {line['due_at']}, {how}{where} "
        f"(lag {_long(line['lag_s'])}), event {line['event_id']}"
    )


def _long(seconds: float) -> str:
    """A length of time in the unit in which people think of one so long."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} s"
