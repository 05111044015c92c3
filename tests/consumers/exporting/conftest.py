"""Read models with rows of the tests' own, in a SQLite file and in a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from consumers.bootstrap.extracts import open_extracts
from consumers.settings import Settings
from projections.adapters.read_model_engine import LIVE, engine_of
from projections.adapters.read_models import READ_MODELS
from projections.extracts import Extracts
from tests.databases import new_database, postgres_server


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    """A PostgreSQL of this run."""
    with postgres_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, of each kind."""
    is_file = request.param == "sqlite"
    return f"sqlite:///{tmp_path / 'models.db'}" if is_file else new_database(request.getfixturevalue("server"))


@pytest.fixture
def url(empty_url: str) -> str:
    """A database with the tables."""
    engine = engine_of(empty_url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.schema.CreateSchema(LIVE))
        READ_MODELS.create_all(connection)
    engine.dispose()
    return empty_url


def fill(url: str, table: str, rows: list[dict[str, Any]]) -> None:
    """Adds rows to a table; what is not said of a column is nothing, or a word where there must be something."""
    engine = engine_of(url)
    with closing(engine.connect()) as connection, connection.begin():
        meant = READ_MODELS.tables[table]
        connection.execute(sa.insert(meant), [_whole(meant, row) for row in rows])
    engine.dispose()


def _whole(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    blank: dict[str, Any] = {}
    for column in table.c:
        kind = column.type.python_type
        blank[column.name] = None if column.nullable else {int: 0, str: "x", bool: False, bytes: b""}[kind]
    return blank | row


@pytest.fixture
def extracts(url: str) -> Iterator[Extracts]:
    """The database as it is read."""
    with open_extracts(Settings(database_url=url)) as extracts:
        yield extracts
