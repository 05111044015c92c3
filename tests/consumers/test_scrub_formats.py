"""The rows of a file come out as they went in: CSV in all its dialects and encodings, JSON Lines, Parquet."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consumers.scrub import NOT_A_CONTACT, Wanted, scrub_file
from tests.consumers.asking import MAIL, NOW, NUMBER, OTHER, REFERENCES
from tests.consumers.scrubbing import ROWS, WANTED, as_csv, few


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_csv_comes_out_as_it_went_in(tmp_path: Path, delimiter: str, quoting: int, ending: str) -> None:
    copy, no = few()
    source, out, stopped = tmp_path / "list.csv", tmp_path / "out.csv", tmp_path / "no.csv"
    as_csv(source, ROWS, delimiter=delimiter, quoting=quoting, lineterminator=ending)
    result = scrub_file(source, out, stopped, copy, REFERENCES, WANTED)
    assert result.as_json() == {
        "rows": 6, "allowed": 3, "denied": 3, "rejected": 2,
        "by_reason": {"granted": 3, NOT_A_CONTACT: 2, "revoked_by_number": 1},
    }  # fmt: skip
    as_csv(tmp_path / "expected.csv", ROWS[1:4], delimiter=delimiter, quoting=quoting, lineterminator=ending)
    assert out.read_bytes() == (tmp_path / "expected.csv").read_bytes()
    with stopped.open(newline="") as file:
        found = list(csv.DictReader(file, delimiter=delimiter))
    assert found[0]["number"] == f"'{NUMBER}"  # people look at the denied rows, and spreadsheets run what begins with +
    found[0]["number"] = NUMBER
    assert found == [
        ROWS[0] | {"reason": "revoked_by_number", "events": no},
        ROWS[4] | {"reason": NOT_A_CONTACT, "events": ""},
        ROWS[5] | {"reason": NOT_A_CONTACT, "events": ""},
    ]


def test_json_lines_come_out_as_they_went_in(tmp_path: Path) -> None:
    copy, no = few()
    lines = [
        f'{{ "number" : "{OTHER}", "big": 12345678901234567890123, "x": 1.10 }}',
        f'{{"number":"{NUMBER}","reason":"old"}}',
        f'{{ "n": 1, "number": "{NUMBER}" }}  ',
        '{"number": null}',
        "{}",
        "[1]",
        "no json",
    ]
    source, out, stopped = tmp_path / "list.jsonl", tmp_path / "out.jsonl", tmp_path / "no.jsonl"
    source.write_text("\n\n".join(lines))
    result = scrub_file(source, out, stopped, copy, REFERENCES, WANTED)
    assert out.read_text() == lines[0] + "\n"
    revoked, rejected = {"reason": "revoked_by_number", "events": [no]}, {"reason": NOT_A_CONTACT, "events": []}
    assert [json.loads(line) for line in stopped.read_text().splitlines()] == [
        {"number": NUMBER} | revoked,
        {"n": 1, "number": NUMBER} | revoked,
        {"number": None} | rejected,
        rejected,
        {"row": "[1]"} | rejected,
        {"row": "no json"} | rejected,
    ]
    assert (result.rows, result.allowed, result.rejected) == (7, 1, 4)


def test_parquet_comes_out_as_it_went_in(tmp_path: Path) -> None:
    copy, no = few()
    types = {"n": pa.int16(), "Number": pa.string(), "tags": pa.list_(pa.string()), "at": pa.timestamp("us", "UTC")}
    schema = pa.schema(types, metadata={"made": "here"})
    rows = [
        {"n": 1, "Number": OTHER, "tags": ["a", None], "at": None},
        {"n": 2, "Number": NUMBER, "tags": None, "at": None},
        {"n": None, "Number": None, "tags": [], "at": None},
    ]
    source, out, stopped = tmp_path / "list.parquet", tmp_path / "out.parquet", tmp_path / "no.parquet"
    table = pa.Table.from_pylist(rows, schema)
    pq.write_table(table, source)
    scrub_file(source, out, stopped, copy, REFERENCES, WANTED)
    kept = pq.read_table(out)
    assert kept.schema.equals(pq.read_table(source).schema, check_metadata=True)
    assert kept.to_pylist() == rows[:1]
    assert pq.read_table(stopped).to_pylist() == [
        rows[1] | {"reason": "revoked_by_number", "events": no},
        rows[2] | {"reason": NOT_A_CONTACT, "events": ""},
    ]
    pq.write_table(pq.read_table(stopped), source)
    again = tmp_path / "again.parquet"
    scrub_file(source, out, again, copy, REFERENCES, WANTED)
    assert pq.read_table(again).to_pylist() == pq.read_table(stopped).to_pylist()


@pytest.mark.parametrize("type_", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_numbers_are_read_from_every_type_of_text(tmp_path: Path, type_: pa.DataType) -> None:
    column = pa.array([NUMBER, OTHER]).cast(type_)
    pq.write_table(pa.table({"number": column}), tmp_path / "list.parquet")
    result = scrub_file(tmp_path / "list.parquet", tmp_path / "out", None, few()[0], REFERENCES, WANTED)
    assert (result.allowed, result.denied, result.rejected) == (1, 1, 0)


def test_bare_digits_are_read_in_the_region_that_is_named_and_are_no_number_without_one(tmp_path: Path) -> None:
    pq.write_table(pa.table({"number": [4165550123]}), tmp_path / "list.parquet")
    for region, reason in (("CA", "revoked_by_number"), (None, NOT_A_CONTACT)):
        wanted = Wanted(channel="sms", purpose="marketing.offers", at=NOW, region=region)
        result = scrub_file(tmp_path / "list.parquet", tmp_path / "out", None, few()[0], REFERENCES, wanted)
        assert result.by_reason == {reason: 1}


@pytest.mark.parametrize("first", [OTHER, MAIL])
def test_a_bare_list_has_no_header(tmp_path: Path, first: str) -> None:
    (tmp_path / "list.csv").write_text(f"{first}\n{NUMBER}\n{OTHER}")
    result = scrub_file(tmp_path / "list.csv", tmp_path / "out.csv", None, few()[0], REFERENCES, WANTED)
    assert result.rows == 3
    assert (tmp_path / "out.csv").read_text().splitlines() == [c for c in (first, OTHER) if c != MAIL]


def test_a_cell_of_an_export_is_understood_and_left_as_it_is(tmp_path: Path) -> None:
    text = f"number\n'{NUMBER}\n'{OTHER}\n"
    (tmp_path / "list.csv").write_text(text)
    result = scrub_file(tmp_path / "list.csv", tmp_path / "out.csv", None, few()[0], REFERENCES, WANTED)
    assert (result.allowed, result.denied, result.rejected) == (1, 1, 0)
    assert (tmp_path / "out.csv").read_text() == f"number\n'{OTHER}\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_kept(tmp_path: Path, encoding: str) -> None:
    text = f"number;prénom\r\n{OTHER};Zoé\r\n"
    (tmp_path / "list.csv").write_bytes(text.encode(encoding))
    scrub_file(tmp_path / "list.csv", tmp_path / "out.csv", None, few()[0], REFERENCES, WANTED)
    assert (tmp_path / "out.csv").read_bytes() == text.encode(encoding)


def test_a_row_that_does_not_fit_its_columns_may_not_pass(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f'number,name\n{OTHER}\n{OTHER},a,b\n{OTHER},"a, b",c\n{OTHER},ok\n')
    result = scrub_file(tmp_path / "list.csv", tmp_path / "o.csv", tmp_path / "n.csv", few()[0], REFERENCES, WANTED)
    assert (result.allowed, result.rejected) == (1, 3)
    with (tmp_path / "n.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["", "a,b", "a, b,c"]
    assert {row["reason"] for row in rows} == {NOT_A_CONTACT}


def test_a_denied_row_of_several_lines_with_formulas_is_still_one_row(tmp_path: Path) -> None:
    rows = [{"name": "=1+1\nand more", "number": NUMBER}, {"name": "-1,2\r", "number": NUMBER}]
    as_csv(tmp_path / "list.csv", rows)
    scrub_file(tmp_path / "list.csv", tmp_path / "o.csv", tmp_path / "n.csv", few()[0], REFERENCES, WANTED)
    with (tmp_path / "n.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["name"] for row in found] == ["'=1+1\nand more", "'-1,2\r"]
    scrub_file(tmp_path / "n.csv", tmp_path / "o.csv", tmp_path / "again.csv", few()[0], REFERENCES, WANTED)
    with (tmp_path / "again.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["'=1+1\nand more", "'-1,2\r"]
