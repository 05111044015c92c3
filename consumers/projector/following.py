"""The projector's loop: whatever the ledger has that the rows have not, turn after turn, until it is asked to end."""

import logging
from collections.abc import Callable, Mapping
from itertools import islice
from threading import Event
from typing import Final, NamedTuple

from consumers.projector.applying import apply
from ledger.errors import UnavailableError
from ledger.log import Log, Recorded
from ledger.record import system_clock
from projections.collecting import rarely
from projections.read_models import Place, ReadModels

BATCH: Final = 5_000
"""How many events one turn takes at most: as many as come in a second at the rate that is promised."""
LOOK_EVERY_S: Final = 0.1
IDLE_TURN_MS: Final = 10_000
"""How often, where nothing comes, it is looked whether something has run out."""
LONGEST_WAIT_S: Final = 10.0
log = logging.getLogger("prefledger.projector")


class Lag(NamedTuple):
    """How far the rows are behind the ledger."""

    events: int
    ms: int

    def in_words(self) -> str:
        """As a log shows it."""
        return f"{self.events:,} event(s) behind" + (f", the oldest for {self.ms / 1000:.1f} s" if self.events else "")


Telling = Callable[[int, Lag], None]
"""Who hears of every turn, also one that found nothing new: so many events were applied, and so far the rows are behind
since."""


def quiet(_events: int, _lag: Lag) -> None:
    """Tells nobody."""


class Projector:
    """Brings the rows up to the ledger. Of one thread; another process may do the same at the same time."""

    def __init__(
        self, ledger: Log, models: ReadModels, tell: Telling = quiet, clock: Callable[[], int] = system_clock
    ) -> None:
        self._ledger, self._models, self._tell, self._clock = ledger, models, tell, clock
        self._looked_at = 0

    def once(self) -> int:
        """Up to the end that the ledger had when it was called; answers how many events that were."""
        ends, applied = self._ledger.ends(), 0
        with rarely():
            while behind(self._models.positions(), ends):
                applied += self._advance(ends)
            self._look_again()
        return applied

    def follow(self, asked: Event) -> None:
        """Until it is asked to end. A database or a log that is away is waited for."""
        wait = LOOK_EVERY_S
        with rarely():
            while not asked.is_set():
                try:
                    came = self._advance(self._ledger.ends())
                    wait = LOOK_EVERY_S
                except UnavailableError as error:
                    log.warning("%s; trying again in %.1f s", error, wait := min(2 * wait, LONGEST_WAIT_S))
                    came = 0
                if not came:
                    asked.wait(wait)

    def _advance(self, ends: Mapping[int, int]) -> int:
        """One turn; answers how many events it applied."""
        seen = self._models.positions()
        batch, reached = next_batch(self._ledger, seen, ends, self._clock())
        if not reached:
            self._tell(0, Lag(0, 0))
            return self._look_again() if self._clock() - self._looked_at > IDLE_TURN_MS else 0
        if not apply(self._models, batch, seen, reached, self._clock()):
            return 0
        self._tell(len(batch), lag_of(seen | reached, ends, batch, self._clock()))
        return len(batch)

    def _look_again(self) -> int:
        """What runs out by itself, and policies that come into force, have no event of that moment."""
        self._looked_at = self._clock()
        apply(self._models, (), self._models.positions(), {}, self._looked_at)
        return 0


def behind(places: Mapping[int, Place], ends: Mapping[int, int]) -> int:
    """How many places of the ledger the rows have not."""
    return sum(max(0, end - offset_in(places, partition)) for partition, end in ends.items())


def offset_in(places: Mapping[int, Place], partition: int) -> int:
    """Up to where the rows have a partition."""
    return places[partition].offset if partition in places else 0


def next_batch(
    ledger: Log, seen: Mapping[int, Place], ends: Mapping[int, int], now: int, many: int = BATCH
) -> tuple[list[Recorded], dict[int, Place]]:
    """The next events, of each partition that has any an equal share, and the places that they reach."""
    waiting = [partition for partition, end in ends.items() if offset_in(seen, partition) < end]
    batch: list[Recorded] = []
    reached: dict[int, Place] = {}
    for partition in waiting:
        start, share = offset_in(seen, partition), max(1, many // len(waiting))
        part = list(islice(ledger.read(partition, start, ends[partition]), share))
        offset = part[-1].position.offset + 1 if len(part) == share else ends[partition]
        before = seen[partition].recorded_at if partition in seen else 0
        reached[partition] = Place(offset, part[-1].recorded_at if part else before, now)
        batch += part
    return batch, reached


def lag_of(places: Mapping[int, Place], ends: Mapping[int, int], batch: list[Recorded], now: int) -> Lag:
    """How far the rows are behind after a batch: of what it applied, the oldest had waited for so long."""
    return Lag(behind(places, ends), max(0, now - min((one.recorded_at for one in batch), default=now)))


def waiting(ledger: Log, places: Mapping[int, Place], now: int) -> Lag:
    """How far the rows are behind the ledger, and for how long the oldest event that they have not has waited."""
    ends = ledger.ends()
    _, reached = next_batch(ledger, places, ends, now, many=1)
    return Lag(behind(places, ends), max((now - place.recorded_at for place in reached.values()), default=0))
