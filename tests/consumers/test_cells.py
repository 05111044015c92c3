"""A cell goes into a CSV so that no spreadsheet runs it, and comes back as it was."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.cells import incoming, outgoing, outgoing_row

TRICKY = st.text(st.sampled_from("'+-=@\t\r\n,;\"a1＝＋ \0")) | st.text()


@given(TRICKY)
def test_every_text_comes_back_as_it_went_out(text: str) -> None:
    assert incoming(outgoing(text)) == text


@given(TRICKY)
def test_no_exported_cell_begins_a_formula(text: str) -> None:
    assert outgoing(text)[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"}


@given(st.lists(st.lists(TRICKY, min_size=2, max_size=4), min_size=1))
def test_rows_come_back_through_a_file(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(outgoing_row(row) for row in rows)
    file.seek(0)
    assert [[incoming(cell) for cell in row] for row in csv.reader(file)] == rows


@pytest.mark.parametrize(
    ("text", "cell"), [("+14165550123", "'+14165550123"), ("'+1", "''+1"), ("l'an", "l'an"), ("'t", "'t"), ("", "")]
)
def test_only_what_a_spreadsheet_would_run_is_changed(text: str, cell: str) -> None:
    assert outgoing(text) == cell
