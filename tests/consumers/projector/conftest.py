"""The databases that the projector is tried on: a SQLite file, and a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.adapters.read_model_versions import upgrade
from projections.adapters.sql_read_models import SqlReadModels
from tests.databases import new_database, postgres_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL of this run."""
    with postgres_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'read_models.db'}"
    return new_database(request.getfixturevalue("server"))


@pytest.fixture
def url(empty_url: str) -> str:
    """A database with the tables."""
    upgrade(empty_url)
    return empty_url


@pytest.fixture
def models(url: str) -> Iterator[SqlReadModels]:
    """Its read models."""
    models = SqlReadModels(url)
    yield models
    models.close()


@pytest.fixture
def postgres_url(server: str) -> str:
    """A PostgreSQL database with the tables."""
    address = new_database(server)
    upgrade(address)
    return address
