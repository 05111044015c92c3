"""All rows of a load on PostgreSQL come by COPY, many at a time: what goes over the wire is listened to."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any, TextIO

import psycopg
import pytest
import sqlalchemy as sa

from consumers.projector import loading
from consumers.projector.loading import load
from projections.adapters.sql_read_models import SqlReadModels
from tests.consumers.projector.rows import COMPARED, expected, stored
from tests.histories import START, history
from tests.projections.logged import logged

NOW = START + 500_000_000
STATEMENT = re.compile(r'\tF\t\d+\t(?:Query|Parse)\t.*?"\s*(COPY|INSERT INTO) (?:\w+\.)?"?(\w+)')
OF_THEIR_OWN = {"alembic_version", "marks"}
"""Of the revision, and what a load notes for itself: a row each."""


@contextmanager
def listening(file: TextIO) -> Iterator[None]:
    """Writes down what every new connection to a server sends it, as libpq tells it."""

    def listen(connection: psycopg.Connection[Any], _record: object) -> None:
        connection.pgconn.trace(file.fileno())

    sa.event.listen(sa.Engine, "connect", listen)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", listen)


def test_a_load_copies_its_rows_and_inserts_none_by_itself(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "LARGE", 150)
    log = logged(history(Random(3), events=300, partitions=3).facts, 3)
    said = tmp_path / "said"
    with said.open("w") as file, listening(file), closing(SqlReadModels(postgres_url)) as models:
        load(log, models, clock=lambda: NOW)
    found = stored(postgres_url)
    assert found == expected(log, NOW)
    statements = STATEMENT.findall(said.read_text("utf-8", "replace"))
    copied = [table for how, table in statements if how == "COPY"]
    assert {table for how, table in statements if how == "INSERT INTO"} <= OF_THEIR_OWN
    assert {table for table in COMPARED if found[table]} <= set(copied)
    assert 5 * len(copied) < sum(map(len, found.values())), "and not a row at a time"
