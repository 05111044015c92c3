"""The ten questions of `docs/tutorial-data.md` have the answers that stand there: on SQLite, PostgreSQL and DuckDB."""

import re
from pathlib import Path
from typing import Any

import orjson
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from consumers.bootstrap.extracts import open_extracts
from consumers.settings import Settings
from tests.consumers.commands import Commands
from tests.consumers.exporting.tutorial import PAGE, PAIR, WITHOUT_SERVER, answered, build, shown
from tests.databases import new_database

QUESTIONS, _, ON_DUCKDB = PAGE.read_text("utf-8").partition(WITHOUT_SERVER)
PAIRS = [(pair["sql"], pair["answer"]) for pair in PAIR.finditer(QUESTIONS)]
LOOP = re.compile(r"\$ mkdir (\S+)\n\$ for name in ([a-z_ ]+); do\n>   prefledger export \$name (.*); done")


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


@pytest.fixture
def on_duckdb(
    urls: dict[str, str], commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, Any]:
    """The names that the page's own commands and code have made."""
    monkeypatch.setenv("PREFLEDGER_DATABASE_URL", urls["sqlite"])
    for folder, names, arguments in LOOP.findall(ON_DUCKDB):
        (tmp_path / folder).mkdir()
        for name in names.split():
            assert commands("export", name, *arguments.replace("$name", name).split()).code == 0
    known: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", ON_DUCKDB, re.DOTALL):
        exec(code, known)
    return known


def duckdb_answers(connection: Any, sql: str) -> str:  # noqa: ANN401  # DuckDB's own
    found = connection.execute(sql)
    columns = [column[0] for column in found.description]
    times = frozenset(name for name in columns if name.endswith("_at"))
    return shown(columns, [list(row) for row in found.fetchall()], times)


def test_a_snapshot_answers_alike_without_a_server(on_duckdb: dict[str, Any]) -> None:
    for sql, answer in PAIRS:
        assert duckdb_answers(on_duckdb["snapshot"], sql) == answer, sql


def test_a_snapshot_as_of_a_time_answers_as_the_page_shows(on_duckdb: dict[str, Any]) -> None:
    [pair] = PAIR.finditer(ON_DUCKDB)
    assert duckdb_answers(on_duckdb["then"], pair["sql"]) == pair["answer"]
    assert duckdb_answers(on_duckdb["snapshot"], pair["sql"]) != pair["answer"], "more was said since"


def test_duckdb_writes_an_answer_to_every_format(on_duckdb: dict[str, Any], tmp_path: Path) -> None:
    found = on_duckdb["snapshot"].execute(on_duckdb["asked"]).fetchall()
    wanted = [{"source": source, "opt_outs": many} for source, many in found]
    assert len(wanted) > 2
    assert pq.read_table(tmp_path / "opt_outs.parquet").to_pylist() == wanted
    assert pyarrow.csv.read_csv(tmp_path / "opt_outs.csv").to_pylist() == wanted
    assert [orjson.loads(line) for line in (tmp_path / "opt_outs.json").read_bytes().splitlines()] == wanted
