"""The intervals of the history, counted by the day on which they begin: rows of `history_by_day`. Pure."""

from collections import Counter
from collections.abc import Iterable

from projections.rows.flat import Row
from schemas.times import DAY

Days = Counter[Row]
"""How many, by all other columns of such a row."""


def begun(history: Iterable[Row]) -> Days:
    """Counts rows of `preference_history`."""
    return Counter(
        (start - start % DAY, kind, scope, brand, channel, purpose, state)
        for _subject, scope, start, _end, kind, brand, channel, purpose, state, *_ in history
    )


def day_rows(days: Days) -> list[Row]:
    """The rows, of those that are any."""
    return [(*key, count) for key, count in days.items() if count]
