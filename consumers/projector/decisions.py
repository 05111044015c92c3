"""`decisions`: what was answered about real sends, counted by hour, from the log of decisions.

Hours that are over are counted once; the one that goes on is counted anew with every look.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from ledger.decisions import Decisions, Stored, UnreadableDecisionError
from ledger.record import system_clock
from projections.read_models import ReadModels
from projections.rows.flat import clean
from schemas.distributed import LoggedDecision

TABLE: Final = "decisions"
COUNTED: Final = "decisions counted from"
"""The mark: the begin of the first hour that was not over, in milliseconds."""
HOUR_MS: Final = 3_600_000
TWICE_WITHIN_MS: Final = 300_000
"""A log of several machines may hold a decision twice when its first answer was lost: soon after one another."""
AT_ONCE: Final = 1_000

Key = tuple[int, str, str, str, str, str]


def look(
    decisions: Decisions, models: ReadModels, is_asked_to_end: Callable[[], bool] = lambda: False,
    clock: Callable[[], int] = system_clock,
) -> None:  # fmt: skip
    """Counts from the first hour that was not over when it was looked at last. Raises UnavailableError."""
    with models.turn() as turn:
        before = turn.mark(COUNTED)
    since = int(before or 0)
    now = clock()
    counted: Counter[Key] = Counter()
    for place, (at, made) in enumerate(_each_once(decisions.scan(max(0, since - TWICE_WITHIN_MS)))):
        if at >= since:
            counted[_key(at, made)] += 1
        if place % AT_ONCE == 0 and is_asked_to_end():
            return
    with models.turn() as turn:
        if turn.mark(COUNTED) == before:  # else another process was first
            turn.remove_from(TABLE, "hour", since)
            turn.add(TABLE, [(*key, count) for key, count in sorted(counted.items())])
            # One that was logged in the last moment may not have been in what was read.
            turn.put_mark(COUNTED, str((now - TWICE_WITHIN_MS) // HOUR_MS * HOUR_MS))


def _each_once(log: Iterable[Stored]) -> Iterator[tuple[int, LoggedDecision]]:
    """Every decision with when it was logged; what is no decision is told of by those who read that log for faults."""
    recent: set[str] = set()
    earlier: set[str] = set()
    period = -1
    for stored in log:
        if (now := stored.logged_at // TWICE_WITHIN_MS) != period:
            earlier = recent if now == period + 1 else set()
            recent, period = set(), now
        with suppress(UnreadableDecisionError):
            made = stored.read()
            if made.decision_id not in recent and made.decision_id not in earlier:
                yield stored.logged_at, made
            recent.add(made.decision_id)


def _key(at: int, made: LoggedDecision) -> Key:
    answer = "allowed" if made.allowed else "would_deny" if made.shadow else "denied"
    return at // HOUR_MS * HOUR_MS, made.gateway, clean(made.channel), clean(made.purpose), answer, made.reason
