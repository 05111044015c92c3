"""`export` writes what stands in the read models, in each format, whole or not at all."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consumers.cells import incoming
from consumers.extract_files import write
from projections.extracts import Extract
from schemas.errors import InputError
from tests.consumers.commands import Commands
from tests.consumers.exporting.conftest import fill

SCHEMA = pa.schema([("text", pa.string()), ("at", pa.int64()), ("many", pa.int64()), ("is_so", pa.bool_())])
TEXTS = ["+14165550123", "=1+1", "", None, "'+1", "'plain", 'a "b"\r\nc', "＝x", "-", "@", "\tx", "x"]
ROWS = [{"text": text, "at": 1_500 + n, "many": None if n else 7, "is_so": n % 2 == 0} for n, text in enumerate(TEXTS)]


def extract(*batches: list[dict[str, Any]]) -> Extract:
    made = (pa.RecordBatch.from_pylist(batch, schema=SCHEMA) for batch in batches)
    return Extract(SCHEMA, made, frozenset({"at"}))


def test_a_csv_runs_nowhere_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert write(extract(ROWS[:5], ROWS[5:]), path) == len(ROWS)
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["text", "at", "many", "is_so"]
    assert [incoming(row[0]) for row in rows] == [text or "" for text in TEXTS]
    assert not any(row[0][:1] in "=+-@\t\r\n＝" for row in rows if row[0])
    assert rows[0][1:] == ["1970-01-01T00:00:01.500Z", "7", "true"]
    assert '\n"",' in path.read_text("utf-8")
    assert '\n,"1970' in path.read_text("utf-8")  # nothing, which is not the same as an empty text


def test_parquet_and_arrow_have_times_and_every_cell(tmp_path: Path) -> None:
    for path in (tmp_path / "out.parquet", tmp_path / "out.ARROW"):
        write(extract(ROWS[:5], ROWS[5:]), path)
        read = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
        at = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row["at"]) for row in ROWS]
        assert read.to_pylist() == [row | {"at": when} for row, when in zip(ROWS, at, strict=True)]


def test_json_lines_have_times_and_every_cell(tmp_path: Path) -> None:
    write(extract(ROWS), tmp_path / "out.jsonl")
    rows = [orjson.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert rows == [row | {"at": f"1970-01-01T00:00:01.5{n:02}Z"} for n, row in enumerate(ROWS)]


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "jsonl"])
def test_nothing_is_a_file_too_and_half_of_it_is_none(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    assert write(extract(), path, milliseconds=True) == 0
    assert path.exists()
    before = path.read_bytes()

    def cut_short() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        write(Extract(SCHEMA, cut_short(), frozenset()), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_writes_tables_queries_and_what_was(url: str, commands: Commands, tmp_path: Path) -> None:
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", url)
    fill(url, "account_numbers", [{"subject": "s", "account": "a", "joined_at": 1_000, "left_at": 3_000}])
    done = commands.json("export", "account_numbers", "all.jsonl")
    assert done == {"name": "account_numbers", "as_of": None, "rows": 1, "file": "all.jsonl"}
    assert orjson.loads((tmp_path / "all.jsonl").read_bytes())["left_at"] == "1970-01-01T00:00:03.000Z"
    assert commands("export", "account_numbers", "then.jsonl", "--as-of", "1970-01-01T00:00:02Z").code == 0
    assert orjson.loads((tmp_path / "then.jsonl").read_bytes())["left_at"] is None
    sql = "SELECT account, 2 * joined_at AS twice_at FROM account_numbers WHERE subject LIKE 's%'"
    assert commands("export", "query.jsonl", "--query", sql, "--milliseconds").code == 0
    assert orjson.loads((tmp_path / "query.jsonl").read_bytes()) == {"account": "a", "twice_at": 2_000}
    for wrong in (
        ("account_numbers",), ("account_numbers", "out.xls"), ("nothing", "out.csv"), ("a", "b.csv", "--query", sql),
        ("out.csv", "--query", "DROP TABLE accounts"), ("out.csv", "--query", sql, "--as-of", "2026-01-01T00:00:00Z"),
        ("accounts", "out.csv", "--as-of", "2026-01-01T00:00:00Z"), ("accounts", "out.csv", "--as-of", "soon"),
    ):  # fmt: skip
        assert commands("export", *wrong).code == 2, wrong
    assert not (tmp_path / "out.csv").exists()


def test_without_read_models_it_says_what_to_run(commands: Commands) -> None:
    answer = commands("export", "events", "out.csv")
    assert answer.code == 2
    assert "prefledger projector run --once" in answer.err


def test_a_database_that_is_away_or_none_leaves_no_file(commands: Commands, tmp_path: Path) -> None:
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    assert commands("export", "events", "out.csv").code == 3
    (tmp_path / "notes.db").write_text("This is no database, and long enough not to be taken for an empty one. " * 9)
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", f"sqlite:///{tmp_path / 'notes.db'}")
    for arguments in (("events", "out.csv"), ("out.csv", "--query", "SELECT 1 AS one FROM events")):
        assert commands("export", *arguments).code == 2
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []
