"""A renamed column never turns an opt-in into an opt-out, or the reverse: what nobody named is refused."""

from typing import Any

import pytest

from schemas.errors import InputError
from tests.consumers.importing.conftest import Desk


def test_a_column_that_bears_a_fields_name_is_that_field(desk: Desk) -> None:
    assert desk.load("action,number\nrevoke,+14165550123\n").recorded == 1


def test_a_column_with_another_name_is_refused_by_name_with_the_fields(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"column 'Phone' is not mapped.*--map FIELD=Phone.*fields are action, number"):
        desk.load("action,number,Phone\nrevoke,+14165550123,x\n")
    assert desk.events == []


@pytest.mark.parametrize("header", ["Action", "aktion", "opt_in", "status"])
def test_a_renamed_action_column_is_refused(desk: Desk, header: str) -> None:
    with pytest.raises(InputError, match=f"column '{header}' is not mapped"):
        desk.load(f"{header},number\nrevoke,+14165550123\n", defaults=["action=grant"])


def test_without_an_action_the_import_is_refused(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"no column says action; the file has 'number'"):
        desk.load("number\n+14165550123\n")


def test_without_a_subject_the_import_is_refused(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"no column says whom it is about"):
        desk.load("action\nrevoke\n")


def test_a_mapped_column_that_is_gone_is_refused_with_those_that_are_there(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"no column 'Mobile'; the file has 'Phone', 'Wish'"):
        desk.load("Phone,Wish\n+14165550123,no\n", maps=["number=Mobile"], ignored=["Wish"], defaults=["action=revoke"])


def test_a_field_cannot_have_two_columns(desk: Desk) -> None:
    with pytest.raises(InputError, match="column 'number' is not mapped"):
        desk.load("phone,number\n+14165550123,+14165550124\n", maps=["number=phone"], defaults=["action=revoke"])


def test_a_column_cannot_be_two_fields(desk: Desk) -> None:
    with pytest.raises(InputError, match="mapped to number and to account"):
        desk.load("id\n7\n", maps=["number=id", "account=id"], defaults=["action=revoke"])


def test_two_columns_of_one_name_are_refused(desk: Desk) -> None:
    with pytest.raises(InputError, match="two columns are called 'number'"):
        desk.load("number,number\n1,2\n", defaults=["action=revoke"])


def test_a_column_that_is_left_out_by_name_is_left_out(desk: Desk) -> None:
    assert desk.load("action,number,Notes\nrevoke,+14165550123,x\n", ignored=["Notes"]).recorded == 1


@pytest.mark.parametrize("word", ["stop", "opt-out", "1", "true", "no", "revoke!", "revoked"])
def test_an_action_is_one_of_five_words_and_nothing_else(desk: Desk, word: str) -> None:
    assert desk.load(f"action,number\n{word},+14165550123\n").rejected == 1
    assert desk.events == []


@pytest.mark.parametrize("word", ["Revoke", " REVOKE "])
def test_an_action_may_be_written_in_capitals(desk: Desk, word: str) -> None:
    assert desk.load(f"action,number\n{word},+14165550123\n").recorded == 1


def test_a_row_without_an_action_is_rejected(desk: Desk) -> None:
    assert desk.load("action,number\n,+14165550123\n").rejected == 1


def test_a_bare_list_needs_no_header(desk: Desk) -> None:
    assert desk.load("+14165550123\n+14165550124\n", defaults=["action=revoke"]).recorded == 2


def test_columns_without_a_header_are_mapped_by_position(desk: Desk) -> None:
    said: dict[str, Any] = {"maps": ["number=2", "action=1"], "header": False}
    assert desk.load("revoke,+14165550123\nrevoke,+14165550124\n", **said).recorded == 2
    with pytest.raises(InputError, match="column '3' is not mapped"):
        desk.load("revoke,+14165550123,x\n", **said)


def test_a_first_row_that_is_no_header_is_not_lost_as_one(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"'Unknown' is not mapped"):
        desk.load("Unknown\n+14165550124\n", defaults=["action=revoke"])


@pytest.mark.parametrize(
    "default",
    [
        "action=stop", "channel=S M S", "occurred_at=2026-01-01", "region=XX", "basis=yes", "reason=because",
        "source=a b", "actor=me", "procedure=x", "language=?", "number=12", "email=x", "account= ", "phone=1",
    ],
)  # fmt: skip
def test_a_default_is_checked_before_anything_is_read(desk: Desk, default: str) -> None:
    with pytest.raises(InputError):
        desk.load("number\n+14165550123\n", defaults=["action=revoke", default][-1:])
    assert desk.events == []


@pytest.mark.parametrize(
    "said",
    [
        {"region": "XX"}, {"timezone": "Mars/Olympus"}, {"maps": ["number"]}, {"maps": ["phone=number"]},
        {"maps": ["number=a", "number=b"]}, {"maps": ["number=number"], "ignored": ["number"]},
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_meant_is_refused(desk: Desk, said: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        desk.load("number\n+14165550123\n", defaults=["action=revoke"], **said)
