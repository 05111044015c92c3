"""The rejects file has the row, its line and the reason; mended, the same command imports it."""

import csv
import stat
from pathlib import Path
from typing import Any

import pytest

from consumers.importing.load import Result
from schemas.errors import InputError
from tests.consumers.importing.conftest import Desk

SAID: dict[str, Any] = {"maps": ["number=Phone"], "ignored": ["Name"], "defaults": ["action=revoke"]}


def rejects(result: Result) -> list[list[str]]:
    with Path(str(result.rejects_file)).open(newline="") as file:
        return list(csv.reader(file))


def test_a_rejected_row_stands_with_its_line_and_the_reason(desk: Desk) -> None:
    result = desk.load("Name,Phone\n\nAnn,+14165550123\n=Bob,Unknown\n", **SAID)
    assert rejects(result) == [
        ["Name", "Phone", "reject_line", "reject_reason", "reject_text"],
        ["'=Bob", "Unknown", "4", "line 4: column Phone: 'Unknown' is not a phone number", ""],
    ]


def test_mended_it_is_imported_by_the_same_command(desk: Desk) -> None:
    result = desk.load("Name,Phone\nAnn,+1416555\nBob,Unknown\nCy,1,2\n", **SAID)
    path = Path(str(result.rejects_file))
    path.write_text(path.read_text().replace("'+1416555,", "'+14165550123,"))
    again = desk.load(path, **SAID)
    assert (again.rows, again.recorded, again.rejected) == (3, 1, 2)
    assert desk.types("+14165550123") == ["PreferenceRevoked"]


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("Unknown\n+14165550123\n", "list.csv", {"header": False}),
        ('["Unknown", "+14165550123"]', "list.json", {}),
        ('{"number": "Unknown"}\n{"number": "+14165550123"}\n', "list.jsonl", {}),
        ("x,Unknown\nx,+14165550123\n", "list.csv", {"header": False, "maps": ["number=2"], "ignored": ["1"]}),
    ],
)
def test_the_rejects_of_every_format_are_read_with_the_options_of_their_list(
    desk: Desk, content: str, name: str, said: dict[str, Any]
) -> None:
    said = {**said, "defaults": ["action=revoke"]}
    result = desk.load(content, name, **said)
    assert (result.recorded, result.rejected) == (1, 1)
    path = Path(str(result.rejects_file))
    assert (desk.load(path, **said).rejected, desk.load(path, **said).recorded) == (1, 0)
    path.write_text(path.read_text().replace("Unknown,", "+14165550124,"))
    assert desk.load(path, **said).recorded == 1


def test_a_row_that_does_not_fit_its_columns_cannot_come_back_half_read(desk: Desk) -> None:
    result = desk.load("action,number\nrevoke,+14165550123,x\nrevoke\n")
    assert [row[:2] for row in rejects(result)[1:]] == [["", ""], ["", ""]]
    assert desk.load(Path(str(result.rejects_file))).rejected == 2
    assert desk.events == []


def test_where_nothing_is_rejected_there_is_no_file(desk: Desk) -> None:
    assert desk.load("action,number\nrevoke,+14165550123\n").rejects_file is None
    assert [path.name for path in desk.folder.iterdir()] == ["list.csv"]


def test_it_goes_where_it_is_said_and_only_its_owner_reads_it(desk: Desk) -> None:
    path = desk.folder / "r.csv"
    assert desk.load("action,number\nrevoke,1\n", rejects=path).rejects_file == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_where_it_cannot_be_written_nothing_is_recorded(desk: Desk) -> None:
    with pytest.raises(InputError, match="rejected rows cannot be written"):
        desk.load("action,number\nrevoke,+14165550123\n", rejects=desk.folder / "none" / "r.csv")
    assert desk.events == []


def test_it_cannot_be_the_list_itself(desk: Desk) -> None:
    with pytest.raises(InputError, match="the rejects file is the file to import"):
        desk.load("action,number\nrevoke,1\n", rejects=desk.folder / "list.csv")


@pytest.mark.parametrize("text", ["'+14165550123", "+14165550123"])
def test_a_cell_that_a_spreadsheet_would_run_goes_back_in_as_it_was(desk: Desk, text: str) -> None:
    desk.load(f"action,number,evidence\nrevoke,{text},'=1+1\nrevoke,{text},''=1+1\n")
    [event, *_] = desk.events
    words = desk.people.evidence(event.subject, event.event_id)
    assert words is not None
    assert words.text == "=1+1"
