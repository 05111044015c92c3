"""One list in any format, encoding and order of columns gives the same events."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.consumers.importing.conftest import Desk

COLUMNS = ["action", "number", "email", "account", "channel", "purpose", "brand", "basis", "occurred_at", "evidence"]
TIME = "2026-01-01T10:00:00Z"
ROWS = [
    ["revoke", "+14165550123", "", "", "sms", "", "", "", "", "arrêtez"],
    ["grant", "+14165550124", "", "", "sms", "marketing", "acme", "express", TIME, "oui; merci"],
    ["revoke", "", "Jean@Example.org", "", "", "", "", "", TIME, 'he said "stop", twice'],
    ["link", "+14165550125", "", "ACC-77", "", "", "", "", "", ""],
    ["revoke", "+14165550126", "", "ACC-78", "fax", "", "", "", "", "a\nb"],
]


def as_csv(rows: list[list[str]], columns: list[str], delimiter: str = ",", end: str = "\r\n") -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


def as_lines(rows: list[list[str]], columns: list[str]) -> str:
    objects = [{name: cell for name, cell in zip(columns, row, strict=True) if cell} for row in rows]
    return "\n".join(json.dumps(found) for found in objects)


@pytest.fixture
def expected(tmp_path: Path) -> list[str]:
    folder = tmp_path / "expected"
    folder.mkdir()
    desk = Desk(folder)
    assert desk.load(as_csv(ROWS, COLUMNS)).recorded == 5
    return contents(desk)


def contents(desk: Desk) -> list[str]:
    return sorted(f"{event.subject} {event.content} {event.flags}" for event in desk.events)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_csv(desk: Desk, expected: list[str], delimiter: str, end: str, encoding: str) -> None:
    assert desk.load(as_csv(ROWS, COLUMNS, delimiter, end).encode(encoding)).recorded == 5
    assert contents(desk) == expected
    words = [desk.people.evidence(event.subject, event.event_id) for event in desk.events]
    assert "arrêtez" in [said.text for said in words if said]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_json_lines(desk: Desk, expected: list[str], encoding: str) -> None:
    assert desk.load(as_lines(ROWS, COLUMNS).encode(encoding), "list.jsonl").recorded == 5
    assert contents(desk) == expected


def test_parquet(desk: Desk, expected: list[str]) -> None:
    table = pyarrow.table({name: [row[place] or None for row in ROWS] for place, name in enumerate(COLUMNS)})
    pyarrow.parquet.write_table(table, desk.folder / "list.parquet")
    assert desk.load(desk.folder / "list.parquet").recorded == 5
    assert contents(desk) == expected


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.permutations(range(len(COLUMNS))), st.permutations(range(len(ROWS))), st.sampled_from([",", ";", "\t"]))
def test_the_order_of_columns_and_rows_does_not_matter(
    tmp_path: Path, expected: list[str], columns: list[int], rows: list[int], delimiter: str
) -> None:
    desk = Desk(tmp_path)
    shuffled = [[ROWS[row][column] for column in columns] for row in rows]
    desk.load(as_csv(shuffled, [COLUMNS[column] for column in columns], delimiter))
    assert contents(desk) == expected
    desk = Desk(tmp_path)
    desk.load(as_lines(shuffled, [COLUMNS[column] for column in columns]), "list.jsonl")
    assert contents(desk) == expected


def test_a_json_list_of_bare_numbers(desk: Desk) -> None:
    text = '["+14165550123", 4165550124, "416-555-0125", "Unknown", null, {"a": [1]}, [2], 1.5, "999various"]'
    result = desk.load(text, "list.json", defaults=["action=revoke"], region="CA")
    assert (result.rows, result.recorded, result.rejected) == (9, 3, 6)
    lines = Path(str(result.rejects_file)).read_text()
    assert "element 6: it is an object" in lines


def test_typed_cells_are_read_as_what_they_are(desk: Desk) -> None:
    """A column of numbers with gaps comes out of a data frame as floats."""
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    table = pyarrow.table(
        {
            "number": [4165550123.0, None],
            "account": [None, 77],
            "occurred_at": [moment, moment],
            "action": ["revoke"] * 2,
        }
    )
    pyarrow.parquet.write_table(table, desk.folder / "list.parquet")
    assert desk.load(desk.folder / "list.parquet", region="CA").recorded == 2
    assert desk.types("+14165550123") == desk.types("77", "account") == ["PreferenceRevoked"]
    utc = int(datetime(2026, 1, 1, 10, tzinfo=UTC).timestamp() * 1000)
    assert {(event.occurred_at, event.flags) for event in desk.events} == {(utc, ())}


def test_times_without_an_offset_are_read_in_the_zone_that_is_named(desk: Desk) -> None:
    desk.load("action,number,occurred_at\nrevoke,+14165550123,2026-01-01 10:00:00\n", timezone="America/Toronto")
    [event] = desk.events
    assert event.occurred_at == int(datetime(2026, 1, 1, 15, tzinfo=UTC).timestamp() * 1000)
    assert event.flags == ()


def test_national_numbers_are_read_in_the_region_of_their_row(desk: Desk) -> None:
    desk.load("action,number,region\nrevoke,0612345678,fr\nrevoke,4165550123,\n", region="CA")
    assert desk.types("+33612345678") == desk.types("+14165550123") == ["PreferenceRevoked"]
    assert {event.jurisdiction for event in desk.events} == {"FR", None}


@pytest.mark.parametrize("name", ["list", "list.dat", "list.json"])
def test_the_format_is_seen_where_the_name_does_not_say_it(desk: Desk, name: str) -> None:
    assert desk.load('["+14165550123"]', name, defaults=["action=revoke"]).recorded == 1
    assert desk.load('{"number": "+14165550124"}\n', name, defaults=["action=revoke"]).recorded == 1
