"""What an audit found goes into a file that reads back as what was found, in each of the formats."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.cells import incoming
from consumers.findings import BATCH, export
from schemas.errors import InputError
from schemas.times import rfc3339

COLUMNS: dict[str, type] = {
    "contact": str, "count": int, "lag_s": float, "flagged": bool, "at": datetime, "evidence": list,
}  # fmt: skip
FOUND = [
    {"contact": "+1416•••0123", "count": 1, "lag_s": 0.5, "flagged": True, "at": rfc3339(0), "evidence": ["a", "b"]},
    {"contact": "=1+1", "count": None, "lag_s": None, "flagged": None, "at": None, "evidence": [], "more": "left out"},
]
EMPTY = dict.fromkeys(COLUMNS)


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    with export(path, COLUMNS) as add:
        for line in lines:
            add(line)
    return path


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [[incoming(cell) for cell in row] for row in csv.reader(file)]


def test_a_csv_has_a_header_and_no_cell_that_a_spreadsheet_runs(tmp_path: Path) -> None:
    path = written(tmp_path / "found.csv", FOUND)
    assert rows_of(path) == [
        list(COLUMNS),
        ["+1416•••0123", "1", "0.5", "true", "1970-01-01T00:00:00.000Z", "a b"],
        ["=1+1", "", "", "", "", ""],
    ]
    assert "\n=" not in path.read_text("utf-8")


def test_json_lines_hold_the_columns_as_they_were_found(tmp_path: Path) -> None:
    path = written(tmp_path / "found.jsonl", FOUND)
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert lines == [{name: line[name] for name in COLUMNS} for line in FOUND]


def test_parquet_has_types(tmp_path: Path) -> None:
    path = written(tmp_path / "found.PARQUET", FOUND)
    first, second = pq.read_table(path).to_pylist()
    assert first["at"] == datetime(1970, 1, 1, tzinfo=UTC)
    assert first | {"at": FOUND[0]["at"]} == FOUND[0]
    assert second == EMPTY | {"contact": "=1+1", "evidence": []}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_list_of_nothing_is_a_file_all_the_same(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"found.{ending}", [])
    assert path.exists()
    if ending == "parquet":
        assert pq.read_schema(path).names == list(COLUMNS)


def test_parquet_of_more_than_a_batch_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "found.parquet", [FOUND[0] | {"count": number} for number in range(BATCH + 1)])
    assert pq.read_table(path).column("count").to_pylist() == list(range(BATCH + 1))


def test_an_unknown_ending_is_refused_before_anybody_looks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.csv, \.jsonl, \.parquet"), export(tmp_path / "found.xls", COLUMNS):
        pytest.fail("it looked")


def test_a_list_that_was_cut_short_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        written(tmp_path / "found.csv", [*FOUND, {"contact": {1}}])
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_every_text_comes_back_from_every_format(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("texts")
    lines = [EMPTY | {"contact": text} for text in texts]
    assert [row[0] for row in rows_of(written(folder / "1.csv", lines))[1:]] == texts
    json = written(folder / "1.jsonl", lines).read_bytes().split(b"\n")[:-1]
    assert [orjson.loads(line)["contact"] for line in json] == texts
    assert pq.read_table(written(folder / "1.parquet", lines)).column("contact").to_pylist() == texts
