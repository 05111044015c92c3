"""The queries of `docs/read-models.md` answer what the page says of them."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from consumers.projector.following import Projector
from projections.adapters.read_model_engine import engine_of
from projections.adapters.sql_read_models import SqlReadModels
from schemas.times import DAY
from tests.consumers.projector.rows import stored
from tests.histories import START, history
from tests.projections.logged import logged

NOW = START + 500_000_000
PAGE = Path(__file__).resolve().parents[3] / "docs" / "read-models.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
Row = Sequence[Any]


def answered(url: str, sql: str) -> list[Row]:
    engine = engine_of(url)
    with engine.connect() as connection:
        rows: list[Row] = list(connection.execute(sa.text(sql)).all())
    engine.dispose()
    return rows


def holds(begin: int, end: int | None, at: int) -> bool:
    return begin <= at and (end is None or at < end)


def test_every_interval_of_every_level_is_there_for_as_long_as_it_held(url: str, models: SqlReadModels) -> None:
    [sql] = [query for query in QUERIES if "'account', h.subject" in query]
    told = history(Random(26), events=100, partitions=3)
    Projector(logged(told.facts, 3), models, clock=lambda: NOW).once()
    rows, found = answered(url, sql), stored(url)
    said, belongs = found["preference_history"], found["account_numbers"]
    seen = 0
    for at in told.times:
        wanted = [(row[0], row[1], row[8], "own") for row in said if row[4] != "account" and holds(row[2], row[3], at)]
        wanted += [
            (contact, row[1], row[8], "account")
            for contact, account, joined, left, _ in belongs if holds(joined, left, at)
            for row in said if row[0] == account and holds(row[2], row[3], at)
        ]  # fmt: skip
        held = [(row[0], row[1], row[4], row[5]) for row in rows if holds(row[2], row[3], at)]
        assert sorted(held) == sorted(wanted), at
        seen += sum(row[3] == "account" for row in held)
    assert seen > 100


def test_a_rate_by_day_is_that_of_the_whole_history(url: str, models: SqlReadModels) -> None:
    [sql] = [query for query in QUERIES if "opt_out_rate" in query]
    Projector(logged(history(Random(5), events=200).facts), models, clock=lambda: NOW).once()
    begun: dict[int, list[bool]] = defaultdict(list)
    for row in stored(url)["preference_history"]:
        begun[row[2] // DAY * DAY].append(row[8] == "revoked")
    assert len(begun) > 1
    rates = {day: sum(states) / len(states) for day, states in begun.items()}
    assert {day: float(rate) for day, rate in answered(url, sql)} == pytest.approx(rates)
