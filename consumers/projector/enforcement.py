"""`enforcement`: when each opt-out was in force at each gateway, from the gateways' own receipts.

Every look goes on with the first opt-out that was not in force everywhere when it was looked at last.
"""

from collections.abc import Callable, Iterable, Mapping
from heapq import merge
from operator import attrgetter
from typing import Final

import orjson

from consumers.confirm import Receipts
from consumers.confirmation import Enforcement
from consumers.enforcing import ALWAYS, Enforcing, Register, Watched, target_of
from ledger.log import Log, Position
from ledger.record import system_clock
from projections.read_models import ReadModels, Revocation
from projections.rows.flat import Row

TABLE: Final = "enforcement"
KNOWN: Final = "enforcement known up to"
"""The mark: for each partition the place of the first opt-out that was not in force everywhere yet."""
MANY: Final = 5_000


class Sparing:
    """Receipts of which the time is asked only once a lease may have run out: the broker is asked by an entry."""

    def __init__(self, receipts: Receipts, lasts_until: int, clock: Callable[[], int]) -> None:
        self._lasts_until, self._receipts, self._clock = lasts_until, receipts, clock
        self.since, self.told = receipts.since, receipts.told

    def now(self) -> int:
        """The broker's clock; 0 for as late as the last receipt."""
        return self._receipts.now() if self._clock() > self._lasts_until else 0


def look(ledger: Log, receipts: Receipts, models: ReadModels, clock: Callable[[], int] = system_clock) -> bool:
    """Brings the rows up to what was told by now; whether there is more to do at once. Raises UnavailableError."""
    with models.turn() as turn:
        before = turn.mark(KNOWN)
        known = {int(partition): offset for partition, offset in orjson.loads(before or b"{}").items()}
        ends = {partition: place.offset for partition, place in turn.positions().items()}
        share = max(1, MANY // len(ends)) if ends else 0
        noes = {
            partition: turn.revocations(partition, known.get(partition, 0), end, share)
            for partition, end in ends.items()
        }
    found = _in_force(ledger, receipts, noes.values(), clock)
    reached, is_more = dict(ends), False
    for partition, some in noes.items():
        waiting = next((no.offset for no in some if not found[no].enforced), None)
        if waiting is not None:
            reached[partition] = waiting
        elif len(some) == share:
            reached[partition], is_more = some[-1].offset + 1, True
    if found or reached != known:
        _put(models, before, found, reached)
    return is_more


def _in_force(
    ledger: Log, receipts: Receipts, noes: Iterable[Iterable[Revocation]], clock: Callable[[], int]
) -> dict[Revocation, Enforcement]:
    watched = [
        Watched(no, target_of(ledger, Position(no.partition, no.offset), no.recorded_at), ALWAYS)
        for no in merge(*noes, key=attrgetter("recorded_at"))
    ]
    if not watched:
        return {}
    register = Register(ledger)  # read after the opt-outs: whoever may have decided before one of them is in it
    lasts_until = watched[0].target.recorded_at + register.window
    enforcing: Enforcing[Revocation] = Enforcing(register, Sparing(receipts, lasts_until, clock))
    return dict(enforcing.of(watched))


def _put(
    models: ReadModels, before: str | None, found: Mapping[Revocation, Enforcement], reached: Mapping[int, int]
) -> None:
    """Unless another process was first."""
    with models.turn() as turn:
        if turn.mark(KNOWN) == before:
            turn.remove(TABLE, "event_id", [no.event_id for no in found])
            turn.add(TABLE, [row for no, enforcement in found.items() for row in _rows(no, enforcement)])
            turn.put_mark(KNOWN, orjson.dumps(reached, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS).decode())


def _rows(no: Revocation, enforcement: Enforcement) -> Iterable[Row]:
    """One a gateway, which has it once its last process has."""
    names = {one.name for one in enforcement.gateways}
    for name in sorted(names):
        times = [one.at for one in enforcement.gateways if one.name == name]
        known = [at for at in times if at is not None]
        at = max(known) if len(known) == len(times) else None
        lag = None if at is None else at - no.recorded_at
        yield (no.event_id, name, no.requested_at, no.recorded_at, at, lag)
