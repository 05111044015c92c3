"""What is extracted is what stands in the tables, cell by cell, on both databases; a query only reads."""

from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from ledger.errors import LedgerError
from projections.adapters import sqlite_extracts
from projections.adapters.read_model_engine import engine_of
from projections.extracts import AS_OF, Extracts
from schemas.errors import InputError
from tests.consumers.exporting.conftest import fill

STRANGE = [
    "",
    "x",
    "=1+1",
    'say "no", please',
    "a\nb\r\n",
    "tab\tand \\. \\N",
    "\x1f",
    "\x1e",
    "a\x1eb",
    "é – ✓",
    "'",
    "null",
    "NULL",
    "%s",
]


def rows_of(extracts: Extracts, table: str, at: int | None = None) -> list[dict[str, Any]]:
    with extracts.table(table, at) as extract:
        batches = list(extract.batches)
        assert all(batch.schema.equals(extract.schema) for batch in batches)
        return [row for batch in batches for row in batch.to_pylist()]


def answer(extracts: Extracts, sql: str) -> list[dict[str, Any]]:
    with extracts.query(sql) as extract:
        return [row for batch in extract.batches for row in batch.to_pylist()]


def history(number: int, **said: int | None) -> dict[str, Any]:
    return {"subject": f"s{number}", "scope": "*/*/*", "valid_from": number} | said


def test_every_cell_comes_as_it_stands(url: str, extracts: Extracts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_extracts, "BLOCK", 5)
    texts = [{"follow_up": f"f{n}", "reason": text, "resolution": text} for n, text in enumerate(STRANGE)]
    rows = [*texts, {"follow_up": "none", "holds": True, "due_at": 1, "resolved_at": -5}]
    fill(url, "follow_ups", rows)
    found = {row["follow_up"]: row for row in rows_of(extracts, "follow_ups")}
    assert [found[row["follow_up"]]["reason"] for row in texts] == STRANGE
    assert [found[row["follow_up"]]["resolution"] for row in texts] == STRANGE
    assert {"holds": True, "due_at": 1, "resolved_at": -5, "resolution": None}.items() <= found["none"].items()
    assert len(found) == len(rows)


def test_many_rows_come_once_each_and_none_is_left_out(
    url: str, extracts: Extracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_extracts, "BLOCK", 100)
    fill(url, "preference_history", [history(n, valid_to=None if n % 3 else n + 1) for n in range(1_001)])
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM preference_history WHERE valid_from BETWEEN 150 AND 420"))
    engine.dispose()
    found = sorted(row["valid_from"] for row in rows_of(extracts, "preference_history"))
    assert found == [*range(150), *range(421, 1_001)]


def test_a_table_without_rows_has_its_columns(extracts: Extracts) -> None:
    with extracts.table("decisions") as extract:
        assert list(extract.batches) == []
        assert extract.schema.field("count").type == pa.int64()
        assert extract.times == {"hour"}


def test_as_of_a_time_what_came_later_is_not_there_yet(url: str, extracts: Extracts) -> None:
    fill(url, "preference_history", [history(10, valid_to=20), history(20)])
    fill(url, "account_numbers", [{"joined_at": 10, "left_at": 20}])
    fill(url, "enforcement", [{"requested_at": 10, "enforced_at": 20, "lag_ms": 10}])
    fill(url, "follow_ups", [{"opened_at": 10, "resolved_at": 20, "resolution": "done", "assignee": "a"}])
    for at in (9, 10, 19, 20, 21):
        is_there, end = at >= 10, 20 if at >= 20 else None
        intervals = [(row["valid_from"], row["valid_to"]) for row in rows_of(extracts, "preference_history", at)]
        assert intervals == [(10, end), (20, None)][: is_there + (at >= 20)]
        for table, column, what in [
            ("account_numbers", "left_at", 20), ("enforcement", "enforced_at", 20), ("enforcement", "lag_ms", 10),
            ("follow_ups", "resolution", "done"),
        ]:  # fmt: skip
            assert [row[column] for row in rows_of(extracts, table, at)] == [end and what][:is_there], table
        assert all("assignee" not in row for row in rows_of(extracts, "follow_ups", at))


def test_an_hour_of_decisions_is_there_once_it_is_over(url: str, extracts: Extracts) -> None:
    fill(url, "decisions", [{"hour": 7_200_000, "count": 3}])
    assert rows_of(extracts, "decisions", 10_799_999) == []
    assert len(rows_of(extracts, "decisions", 10_800_000)) == 1


def test_every_table_that_keeps_what_was_can_be_asked(extracts: Extracts) -> None:
    assert all(rows_of(extracts, name, 1) == [] for name in AS_OF)


def test_what_is_no_read_model_or_keeps_no_past_is_refused(extracts: Extracts) -> None:
    for name in ("sqlite_master", "states", 'events"; DROP TABLE events; --'):
        with pytest.raises(InputError, match="is no read model; there are account"), extracts.table(name):
            pytest.fail("it was read")
    with pytest.raises(InputError, match="not kept as of a time"), extracts.table("accounts", 1):
        pytest.fail("it was read")


def test_a_query_has_the_types_of_its_cells(url: str, extracts: Extracts) -> None:
    fill(url, "preference_history", [history(n, valid_to=n or None) for n in range(3)])
    sql = """
        SELECT subject, count(*) AS n, 0.5 * min(valid_from) AS half, max(valid_to) AS ended_at,
               CAST(NULL AS text) AS no
        FROM preference_history GROUP BY subject ORDER BY subject DESC;
    """
    with extracts.query(sql) as extract:
        assert [str(of) for of in extract.schema.types] == ["string", "int64", "double", "int64", "string"]
        assert extract.times == {"ended_at"}
        rows = [tuple(row.values()) for batch in extract.batches for row in batch.to_pylist()]
    assert rows == [("s2", 1, 1.0, 2, None), ("s1", 1, 0.5, 1, None), ("s0", 1, 0.0, None, None)]


def test_a_column_of_nothing_but_a_null_is_a_row(extracts: Extracts) -> None:
    assert answer(extracts, "SELECT CAST(NULL AS text) AS a UNION ALL SELECT ''  -- said") in (
        [{"a": None}, {"a": ""}], [{"a": ""}, {"a": None}],
    )  # fmt: skip
    assert answer(extracts, "SELECT 1 AS a WHERE 1 = 0") == []


NOT_READING = [
    "DELETE FROM accounts", "DROP TABLE accounts", "SELECT 1; DROP TABLE accounts",
    "SELECT 1) TO STDOUT; DROP TABLE accounts; COPY (SELECT 1", "INSERT INTO accounts VALUES ('a', 1, 1) RETURNING 1",
    "WITH gone AS (DELETE FROM accounts RETURNING 1) SELECT * FROM gone", "ATTACH 'other.db' AS other",
    "PRAGMA query_only = OFF", "COMMIT", "", "SELECT", "SELECT * FROM nowhere", "SELECT 1 AS a, 2 AS a",
    "SELECT '", "SELECT /* 1", "VACUUM", "SET transaction_read_only = off", "COPY accounts TO '/tmp/x'",
]  # fmt: skip


OTHER_TYPES = {
    "1.50::numeric": 1.5, "'NaN'::numeric": float("nan"), "0.1::float4": 0.1, "2::int2": 2, "3::oid": "3",
    "'n'::name": "n", "'a '::char(3)": "a  ", "'{1,NULL}'::int[]": "{1,NULL}", "'{\"a\": 1}'::jsonb": '{"a": 1}',
    "interval '1 day'": "1 day",
    "'10.0.0.0/8'::cidr": "10.0.0.0/8", "'10:20'::time": "10:20:00", "'018f0000-0000-7000-8000-000000000000'::uuid":
    "018f0000-0000-7000-8000-000000000000", "true": True, "NULL::numeric": None, "NULL": None, "ROW(1, 'a')": "(1,a)",
}  # fmt: skip


@pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)
def test_types_that_no_file_has_come_as_text_and_all_numbers_as_numbers(extracts: Extracts) -> None:
    selected = ", ".join(f'{sql} AS "column ""{n}"""' for n, sql in enumerate(OTHER_TYPES))
    [row] = answer(extracts, f"SELECT {selected} -- in the types of the server")
    assert list(map(repr, row.values())) == list(map(repr, OTHER_TYPES.values()))
    assert list(row)[1] == 'column "1"'


@pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)
def test_whoever_wants_no_more_rows_waits_for_none(url: str, extracts: Extracts) -> None:
    with extracts.query("SELECT generate_series(1, 1000000000000) AS n") as extract:
        assert next(extract.batches).num_rows > 0
    engine = engine_of(url)
    with engine.connect() as connection:
        asked = (
            "SELECT query FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1%' AND pid <> pg_backend_pid()"
        )
        assert connection.execute(sa.text(asked)).all() == []
    engine.dispose()


def test_columns_that_begin_empty_have_their_type_all_the_same(
    url: str, extracts: Extracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_extracts, "BLOCK", 3)
    said = {"due_at": 7, "assignee": "someone", "resolution": "done"}
    rows = [{"follow_up": f"f{n}"} | (said if n > 20 else {}) for n in range(25)]
    fill(url, "follow_ups", rows)
    found = {row["follow_up"]: row for row in rows_of(extracts, "follow_ups")}
    assert [found[row["follow_up"]]["assignee"] for row in rows] == [None] * 21 + ["someone"] * 4
    assert [found[row["follow_up"]]["due_at"] for row in rows] == [None] * 21 + [7] * 4


def test_what_does_more_than_read_is_refused_and_changes_nothing(url: str, extracts: Extracts) -> None:
    fill(url, "accounts", [{"subject": "a"}])
    for sql in NOT_READING:
        with pytest.raises(InputError):
            pytest.fail(f"{sql} gave {answer(extracts, sql)}")
    assert len(rows_of(extracts, "accounts")) == 1


def test_bytes_are_refused_with_what_to_write_instead(url: str, extracts: Extracts) -> None:
    fill(url, "states", [{"key": "k", "value": b"\x00\xff"}])
    with pytest.raises(InputError, match=r"hex\(value\)|encode\(value, 'hex'\)"):
        answer(extracts, "SELECT key, value FROM states")


def test_a_database_without_tables_says_what_to_run(url: str, extracts: Extracts) -> None:
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE senders"))
    engine.dispose()
    with pytest.raises(LedgerError, match="prefledger db upgrade"):
        rows_of(extracts, "senders")
