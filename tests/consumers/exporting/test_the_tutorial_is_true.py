"""The ten questions of `docs/tutorial-data.md` have the answers that stand there: on SQLite, PostgreSQL and DuckDB."""

import re
from pathlib import Path
from typing import Any

import pytest

from consumers.bootstrap.extracts import open_extracts
from consumers.settings import Settings
from tests.consumers.commands import Commands
from tests.consumers.exporting.tutorial import PAGE, PAIR, answered, build, shown
from tests.databases import new_database

PAIRS = [(pair["sql"], pair["answer"]) for pair in PAIR.finditer(PAGE.read_text("utf-8"))]


@pytest.fixture(scope="module")
def urls(server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tutorial's read models on each database."""
    folder = tmp_path_factory.mktemp("tutorial")
    urls = {"sqlite": f"sqlite:///{folder / 'read_models.db'}", "postgresql": new_database(server)}
    build(folder / "home", list(urls.values()))
    return urls


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_question_has_the_answer_that_the_page_shows(urls: dict[str, str], database: str) -> None:
    assert len(PAIRS) == 10
    with open_extracts(Settings(database_url=urls[database])) as extracts:
        for sql, answer in PAIRS:
            assert answered(extracts, sql) == answer, sql
            assert answer.count("\n") > 1, sql


def test_a_snapshot_answers_alike_without_a_server(
    urls: dict[str, str], commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFLEDGER_DATABASE_URL", urls["sqlite"])
    page = PAGE.read_text("utf-8")
    [names] = re.findall(r"for name in ([a-z_ ]+); do\n>   prefledger export \$name (?:\S+) --milliseconds", page)
    (tmp_path / "snapshot").mkdir()
    for name in names.split():
        assert commands("export", name, f"snapshot/{name}.parquet", "--milliseconds").code == 0
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    known: dict[str, Any] = {}
    exec(code, known)
    for sql, answer in PAIRS:
        found = known["snapshot"].execute(sql)
        columns = [column[0] for column in found.description]
        times = frozenset(name for name in columns if name.endswith("_at"))
        assert shown(columns, [list(row) for row in found.fetchall()], times) == answer, sql
