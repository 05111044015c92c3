"""Row by row `history_by_day` is what a query over the whole history answers: after each turn, whatever comes."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from consumers.projector import applying
from consumers.projector.applying import apply
from consumers.projector.following import next_batch
from consumers.projector.loading import load
from ledger.errors import NotALedgerError
from projections.adapters.read_model_engine import engine_of
from projections.adapters.sql_read_models import SqlReadModels
from projections.rows import days
from tests.histories import START, history
from tests.projections.logged import logged

COUNTED = """
    SELECT valid_from - valid_from % :day AS day, kind, scope, brand, channel, purpose, state, count(*) AS count
    FROM preference_history GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


@pytest.fixture(params=[1, 7], autouse=True)
def day(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """So short that events a few milliseconds apart are of different days."""
    monkeypatch.setattr(days, "DAY", request.param)
    return int(request.param)


def both(url: str, day: int) -> tuple[list[Sequence[Any]], list[Sequence[Any]]]:
    """What is counted, and what the query says."""
    engine = engine_of(url)
    with engine.connect() as connection:
        kept = connection.execute(sa.text("SELECT * FROM history_by_day")).all()
        asked = connection.execute(sa.text(COUNTED), {"day": day}).all()
    engine.dispose()
    return sorted(map(tuple, kept)), sorted(map(tuple, asked))


def test_after_each_turn_of_any_history_both_are_equal(url: str, models: SqlReadModels, day: int) -> None:
    most, fewer = 0, 0
    for seed in range(300, 304):
        rng = Random(seed)
        told = history(rng, events=50, partitions=rng.choice((1, 3)))
        log = logged(told.facts, told.partitions)
        before = 0
        while reached := (
            step := next_batch(log, seen := models.positions(), log.ends(), START, many=rng.randint(1, 9))
        )[1]:
            now = max(place.recorded_at for place in reached.values())
            assert apply(models, step[0], seen, reached, now)
            kept, asked = both(url, day)
            assert kept == asked, seed
            fewer, before = fewer + (len(kept) < before), len(kept)
        most = max(most, before)
        _empty(url)
    assert most > 5
    assert fewer > 0, "a correction, or a statement said earlier, takes an interval away"


def test_rows_made_anew_and_by_other_rules_are_counted_alike(
    url: str, models: SqlReadModels, day: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logged(history(Random(5), events=60).facts)
    load(log, models, clock=lambda: START)
    kept, asked = both(url, day)
    assert kept == asked != []
    monkeypatch.setattr(applying, "MADE_WITH", "rows of another program")
    assert apply(models, (), models.positions(), {}, START)
    assert both(url, day) == (kept, asked)


def test_days_that_somebody_else_has_written_are_refused(url: str, models: SqlReadModels) -> None:
    log = logged(history(Random(5), events=60).facts)
    batch, reached = next_batch(log, {}, log.ends(), START, many=30)
    assert apply(models, batch, {}, reached, START)
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM history_by_day"))
    engine.dispose()
    seen = models.positions()
    batch, reached = next_batch(log, seen, log.ends(), START)
    with pytest.raises(NotALedgerError, match="projector replay"):
        apply(models, batch, seen, reached, START)


def _empty(url: str) -> None:
    engine = engine_of(url)
    with engine.begin() as connection:
        names = sa.inspect(connection).get_table_names()
        for name in set(names) - {"alembic_version"}:
            connection.execute(sa.text(f'DELETE FROM "{name}"'))
    engine.dispose()
