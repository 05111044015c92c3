"""The figures of the report, by queries that SQLite and PostgreSQL answer alike."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from projections.extracts import Extracts
from schemas.times import DAY

Row = dict[str, Any]
AGES: Final = (("day", DAY), ("week", 7 * DAY), ("month", 30 * DAY), ("older", None))
"""How old open follow-ups may be, and up to where in milliseconds."""
MOST_BARS: Final = 92

OPT_OUTS: Final = """
SELECT occurred_at - occurred_at % 86400000 AS day, count(*) AS opt_outs,
       sum(CASE WHEN by_free_text THEN 1 ELSE 0 END) AS in_own_words
FROM events WHERE type = 'PreferenceRevoked' AND occurred_at <= {at}
GROUP BY occurred_at - occurred_at % 86400000 ORDER BY occurred_at - occurred_at % 86400000
"""
PROPAGATION: Final = """
WITH ranked AS (
  SELECT gateway, lag_ms, row_number() OVER (PARTITION BY gateway ORDER BY lag_ms) AS place,
         count(*) OVER (PARTITION BY gateway) AS many
  FROM enforcement WHERE lag_ms IS NOT NULL AND requested_at <= {at}
)
SELECT gateway, max(many) AS opt_outs, min(CASE WHEN 100 * place >= 50 * many THEN lag_ms END) AS p50,
       min(CASE WHEN 100 * place >= 95 * many THEN lag_ms END) AS p95,
       min(CASE WHEN 100 * place >= 99 * many THEN lag_ms END) AS p99, max(lag_ms) AS longest
FROM ranked GROUP BY gateway ORDER BY gateway
"""
WAITING: Final = """
SELECT count(*) AS waiting FROM enforcement WHERE enforced_at IS NULL AND requested_at <= {at}
"""
COVERAGE: Final = """
SELECT scope, count(*) AS accounts, sum(covered) AS covered, sum(uncovered) AS uncovered
FROM account_coverage WHERE opted_out_since IS NOT NULL GROUP BY scope ORDER BY scope
"""
PARTIAL: Final = """
SELECT count(*) AS accounts FROM account_coverage WHERE opted_out_since IS NULL AND covered > 0 AND uncovered > 0
"""
QUEUE: Final = """
SELECT CASE WHEN {at} - opened_at < 86400000 THEN 'day' WHEN {at} - opened_at < 604800000 THEN 'week'
            WHEN {at} - opened_at < 2592000000 THEN 'month' ELSE 'older' END AS age,
       sum(CASE WHEN holds THEN 1 ELSE 0 END) AS holding, count(*) AS open,
       sum(CASE WHEN due_at < {at} THEN 1 ELSE 0 END) AS overdue
FROM follow_ups WHERE opened_at <= {at} AND (resolved_at IS NULL OR resolved_at > {at})
GROUP BY CASE WHEN {at} - opened_at < 86400000 THEN 'day' WHEN {at} - opened_at < 604800000 THEN 'week'
              WHEN {at} - opened_at < 2592000000 THEN 'month' ELSE 'older' END
"""
UNTIL: Final = "SELECT max(recorded_at) AS until FROM positions"


class Bar(NamedTuple):
    """A day, or the days of a week or a month, and what was said in it."""

    label: str
    opt_outs: int
    in_own_words: int


class Gateway(NamedTuple):
    """How long opt-outs took from the record until they were in force at a gateway, in milliseconds."""

    name: str
    opt_outs: int
    p50: int
    p95: int
    p99: int
    longest: int


class Covered(NamedTuple):
    """Accounts that are opted out of a scope, and their numbers."""

    scope: str
    accounts: int
    covered: int
    uncovered: int


class Open(NamedTuple):
    """Open follow-ups of an age."""

    age: str
    holding: int
    others: int
    overdue: int


class Figures(NamedTuple):
    """All that the report shows; times in milliseconds. `until`: when the last event that is in it was recorded."""

    at: int
    until: int | None
    opt_outs: Sequence[Bar]
    gateways: Sequence[Gateway]
    waiting: int
    coverage: Sequence[Covered]
    partial: int
    queue: Sequence[Open]


def figures(extracts: Extracts, at: int) -> Figures:
    """What the read models say as of a moment; coverage as it is now."""

    def ask(sql: str) -> list[Row]:
        with extracts.query(sql.format(at=at)) as extract:
            return [row for batch in extract.batches for row in batch.to_pylist()]

    [waiting], [partial], [until] = ask(WAITING), ask(PARTIAL), ask(UNTIL)
    ages = {row["age"]: row for row in ask(QUEUE)}
    return Figures(
        at,
        until["until"],
        list(bars([(row["day"], row["opt_outs"], int(row["in_own_words"])) for row in ask(OPT_OUTS)])),
        [Gateway(*map(_whole, row.values())) for row in ask(PROPAGATION)],
        waiting["waiting"],
        [Covered(*map(_whole, row.values())) for row in ask(COVERAGE)],
        partial["accounts"],
        [_open(age, ages[age]) for age, _ in AGES if age in ages],
    )


def _whole(value: Any) -> Any:  # noqa: ANN401  # PostgreSQL adds whole numbers up to what Arrow has as floats
    return int(value) if isinstance(value, float) else value


def _open(age: str, row: Row) -> Open:
    return Open(age, int(row["holding"]), row["open"] - int(row["holding"]), int(row["overdue"]))


def bars(days: Sequence[tuple[int, int, int]]) -> Iterator[Bar]:
    """One bar a day; where that were too many, one a week (by its Monday), or one a month. Also where nothing was."""
    if not days:
        return
    first, last = days[0][0], days[-1][0]
    label = next(
        (name for name, length in ((_day, DAY), (_week, 7 * DAY)) if (last - first) // length < MOST_BARS), _month
    )
    found: dict[str, list[int]] = {label(at): [0, 0] for at in range(first, last + DAY, DAY)}
    for at, opt_outs, in_own_words in days:
        found[label(at)][0] += opt_outs
        found[label(at)][1] += in_own_words
    for name, (opt_outs, in_own_words) in found.items():
        yield Bar(name, opt_outs, in_own_words)


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")


def _week(at: int) -> str:
    return _day(at - (at // DAY + 3) % 7 * DAY)  # 1970 began on a Thursday


def _month(at: int) -> str:
    return _day(at)[:7]
