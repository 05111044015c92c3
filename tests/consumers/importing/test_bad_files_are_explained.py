"""What cannot be imported is refused in one sentence: what is wrong, where, and what to do."""

import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from schemas.errors import InputError
from tests.consumers.importing.conftest import Desk


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"", "list.csv", "is empty"),
        (b"\n\n", "list.csv", "no column says whom"),
        (b"number\n", "list.csv", "no rows"),
        (b"[]", "list.json", "no rows"),
        (b"number\n\0\0\n", "list.csv", "zero byte in line 2"),
        ("number\n+14165550123\n".encode("utf-16-le"), "list.csv", "zero byte in line 1"),
        (b"\xff\xfea", "list.csv", "not the UTF-16"),
        (b"number\n\x81\x8d\n", "list.csv", "neither UTF-8 nor Windows-1252"),
        (b'number\n+14165550123\n"+14165550124\n', "list.csv", "line 3: a quotation mark is opened"),
        (b'number\n"+1416"5550123\n', "list.csv", "line 2: a quoted cell goes on"),
        (b"number\n" + b"1" * 140_000, "list.csv", "line 2: a cell is longer"),
        (b"number\n" + b"1," * 700_000, "list.csv", "line 2 is longer"),
        (b'["+14165550123", "+1416', "list.json", "no JSON list"),
        (b'["+14165550123", +1]', "list.json", "no JSON list"),
        (b"[" * 100_000, "list.json", "no JSON list"),
        (b"[" + b"9" * 5_000 + b"]", "list.json", "no JSON list"),
        (b"nothing\nof\n", "list.jsonl", "no line holds a JSON object"),
        (b"PAR1", "list.parquet", "damaged"),
        (b"no", "list.parquet", "not a Parquet file"),
        (b"PAR1" + b"x" * 100 + b"PAR1", "list.parquet", "damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_nothing_is_recorded(
    desk: Desk, content: bytes, name: str, why: str
) -> None:
    with pytest.raises(InputError, match=why) as refused:
        desk.load(content, name, defaults=["action=revoke"])
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1_000
    assert desk.events == []
    assert [path.name for path in desk.folder.iterdir()] == [name]


def test_a_parquet_file_that_was_not_copied_to_its_end_is_refused(desk: Desk) -> None:
    path = desk.folder / "list.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"number": [f"+1416555{n:04d}" for n in range(1000)]}), path)
    whole = path.read_bytes()
    for end in range(5, len(whole), len(whole) // 20):
        with pytest.raises(InputError, match="ends in the middle"):
            desk.load(whole[:end], "list.parquet", defaults=["action=revoke"])


def test_a_folder_a_missing_file_and_a_pipe_are_named(desk: Desk) -> None:
    os.mkfifo(desk.folder / "pipe")
    for path, why in [
        (desk.folder, "is a folder"),
        (Path("nowhere"), "No such file"),
        (desk.folder / "pipe", "regular"),
    ]:
        with pytest.raises(InputError, match=why):
            desk.load(path, defaults=["action=revoke"])
    with pytest.raises(InputError, match="cannot be read"):
        desk.load(Path("a\0b"), defaults=["action=revoke"], rejects=desk.folder / "r.csv")


def test_lines_that_can_be_told_apart_are_rejected_one_by_one(desk: Desk) -> None:
    lines = ['{"number": "+14165550123"}', "7", "[1]", "null", '"+14165550124"', "{", '{"number": {"a": 1}}', '{"numb']
    result = desk.load("\n".join(lines), "list.jsonl", defaults=["action=revoke"])
    assert (result.rows, result.recorded, result.rejected) == (8, 1, 7)
    reasons = Path(str(result.rejects_file)).read_text()
    for reason in ("line 2: it is a number", "line 3: it is a list", "line 6: it is no JSON", "line 8: it is no JSON"):
        assert reason in reasons


def test_a_row_with_more_or_fewer_cells_than_columns_is_rejected(desk: Desk) -> None:
    result = desk.load("action,number\nrevoke,+14165550123,x\nrevoke\nrevoke,+14165550124\n,\n\n")
    assert (result.rows, result.recorded, result.rejected) == (3, 1, 2)
    assert "line 2: it has 3 cells and the file 2 columns" in Path(str(result.rejects_file)).read_text()


def test_the_line_of_a_row_is_that_of_the_file_though_cells_hold_line_ends(desk: Desk) -> None:
    result = desk.load('action,number,evidence\nrevoke,+14165550123,"a\nb\r\nc"\nrevoke,none,x\n')
    assert "line 5: column number: 'none'" in Path(str(result.rejects_file)).read_text()
