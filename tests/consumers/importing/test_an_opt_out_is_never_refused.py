"""What is doubtful about an opt-out is widened and flagged; what is doubtful about an opt-in rejects its row."""

from pathlib import Path

import pytest

from schemas.events import PreferenceRevoked
from tests.consumers.importing.conftest import Desk

GRANT = "action,number,channel,purpose,brand,basis,occurred_at,valid_until,procedure,source,account\n"


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ("channel=fax", "widened_channel"),
        ("channel=S M S", "widened_channel"),
        ("purpose=raffles", "widened_purpose"),
        ("brand=elsewhere", "widened_brand"),
        ("occurred_at=yesterday", "clamped_time"),
        ("occurred_at=2026-01-01T10:00:00", "clamped_time"),
        ("occurred_at=2999-01-01T10:00:00Z", "clamped_time"),
        ("valid_until=soon", "clamped_time"),
        ("procedure=script@1", "procedure_unknown"),
    ],
)
def test_a_doubtful_opt_out_is_recorded_and_flagged(desk: Desk, fields: str, flag: str) -> None:
    name, _, value = fields.partition("=")
    result = desk.load(f"action,number,{name}\nrevoke,+14165550123,{value}\n")
    assert (result.recorded, result.flagged, result.rejected) == (1, 1, 0)
    [event] = desk.events
    assert event.flags == (flag,)
    assert desk.follow_ups == [flag]


def test_a_thousand_rows_with_one_flaw_open_one_follow_up(desk: Desk) -> None:
    numbers = "".join(f"revoke,+1416555{n:04d},fax,raffles\n" for n in range(3000))
    result = desk.load("action,number,channel,purpose\n" + numbers)
    assert (result.recorded, result.flagged) == (3000, 3000)
    assert sorted(desk.follow_ups) == ["widened_channel", "widened_purpose"]
    desk.load(desk.folder / "list.csv")
    assert sorted(desk.follow_ups) == ["widened_channel", "widened_purpose"]


def test_an_opt_out_for_a_number_and_an_account_is_recorded_for_both(desk: Desk) -> None:
    result = desk.load("action,number,account\nrevoke,+14165550123,ACC-77\n")
    assert (result.rows, result.recorded) == (1, 1)
    assert desk.types("+14165550123") == desk.types("ACC-77", "account") == ["PreferenceRevoked"]


def test_half_an_opt_out_that_is_understood_is_recorded_and_the_row_reported(desk: Desk) -> None:
    result = desk.load("action,number,account\nrevoke,Unknown,ACC-77\n")
    assert (result.recorded, result.rejected) == (0, 1)
    assert desk.types("ACC-77", "account") == ["PreferenceRevoked"]
    assert "'Unknown' is not a phone number" in Path(str(result.rejects_file)).read_text()


def test_a_region_that_is_none_does_not_keep_an_opt_out_away(desk: Desk) -> None:
    assert desk.load("action,number,region\nrevoke,+493012345678,Germany\n").recorded == 1


def test_control_characters_do_not_keep_an_opt_out_away(desk: Desk) -> None:
    rest = "".join(f",\x01{n}" for n in range(6))
    header = "action,number,channel,source,language,actor,procedure,evidence\n"
    assert desk.load(f"{header}revoke,+14165550123{rest}\n").recorded == 1


def test_an_opt_out_that_names_no_scope_is_for_everything(desk: Desk) -> None:
    desk.load("action,number\nrevoke,+14165550123\n")
    [event] = desk.events
    assert isinstance(event, PreferenceRevoked)
    assert (event.scope.brand, event.scope.channel, event.scope.purpose) == ("*", "*", "*")


@pytest.mark.parametrize(
    "row",
    [
        "grant,+14165550123,sms,marketing,acme,express,,,,,",
        "grant,+14165550123,sms,marketing,acme,express,soon,,,,",
        "grant,+14165550123,sms,marketing,acme,express,2026-01-01T10:00:00,,,,",
        "grant,+14165550123,sms,marketing,acme,express,2999-01-01T10:00:00Z,,,,",
        "grant,+14165550123,sms,marketing,acme,express,2026-01-01T10:00:00Z,2020-01-01T10:00:00Z,,,",
        "grant,+14165550123,sms,marketing,acme,express,2026-01-01T10:00:00Z,never,,,",
        "grant,+14165550123,fax,marketing,acme,express,2026-01-01T10:00:00Z,,,,",
        "grant,+14165550123,,marketing,acme,express,2026-01-01T10:00:00Z,,,,",
        "grant,+14165550123,sms,,acme,express,2026-01-01T10:00:00Z,,,,",
        "grant,+14165550123,sms,marketing,,express,2026-01-01T10:00:00Z,,,,",
        "grant,+14165550123,sms,marketing,acme,yes,2026-01-01T10:00:00Z,,,,",
        "grant,+14165550123,sms,marketing,acme,express,2026-01-01T10:00:00Z,,script@1,,",
        "grant,+14165550123,sms,marketing,acme,express,2026-01-01T10:00:00Z,,,a b,",
        "grant,+14165550123,sms,marketing,acme,express,2026-01-01T10:00:00Z,,,,ACC-77",
        "grant,,sms,marketing,acme,express,2026-01-01T10:00:00Z,,,,",
        "link,+14165550123,,,,,,,,,",
        "link,,,,,,,,,,ACC-77",
        "link,+14165550123,,,,,soon,,,,ACC-77",
        "reassign,,,,,,,,,,ACC-77",
    ],
)
def test_a_doubtful_opt_in_or_link_is_rejected(desk: Desk, row: str) -> None:
    result = desk.load(f"{GRANT}{row}\n")
    assert (result.recorded, result.rejected) == (0, 1)
    assert desk.events == []


def test_what_is_sound_is_recorded(desk: Desk) -> None:
    rows = [
        "grant,+14165550123,sms,marketing,acme,express,2026-01-01T10:00:00Z,,,,",
        "link,+14165550123,,,,,,,,,ACC-77",
        "unlink,+14165550123,,,,,,,,,ACC-77",
        "reassign,+14165550123,,,,,,,,,",
    ]
    assert desk.load(GRANT + "\n".join(rows)).recorded == 4
    assert desk.types("+14165550123") == [
        "PreferenceGranted", "ContactLinked", "ContactUnlinked", "NumberReassigned"
    ]  # fmt: skip


def test_a_grant_without_a_brand_is_for_the_one_that_the_importer_was_told(desk: Desk) -> None:
    row = "grant,+14165550123,sms,marketing,,express,2026-01-01T10:00:00Z,,,,\n"
    assert desk.load(GRANT + row, grant_brand="acme").recorded == 1
