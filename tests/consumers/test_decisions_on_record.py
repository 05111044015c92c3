"""A decision on a real send is on record, is explained, and comes out the same; a question leaves nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.consumers.commands import OFFERS, Commands

NUMBER = "+14165550123"
ASK = ("decide", NUMBER, *OFFERS)


@pytest.fixture
def decided(commands: Commands) -> str:
    """Its account opted out by an agent; then a gateway asked. The id of that decision."""
    commands.json("link", "account:ACC-77", NUMBER)
    commands.json("procedure", "publish", "opt-out@2")
    commands.json("revoke", "account:ACC-77", "--actor", "agent:ada", "--procedure", "opt-out@2")
    return str(commands.json(*ASK, "--log", "--gateway", "sms-1", code=1)["decision_id"])


def tamper(commands: Commands, statement: str) -> None:
    """Changes the decision log behind its back."""
    with closing(sqlite3.connect(commands.home / "decisions.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER decisions_cannot_update")
        db.execute(statement)


def test_a_decision_is_explained_by_event_rule_policy_and_watermark_and_replays(
    commands: Commands, decided: str
) -> None:
    found = commands.json("explain", decided)
    assert (found["subject"], found["gateway"], found["reason"]) == ("+1416•••0123", "sms-1", "revoked_by_account")
    assert (found["rule"], found["policy"]) == ("most-restrictive@1", "default@1")
    [event] = found["events"]
    assert (event["type"], event["subject"], event["actor"]) == ("PreferenceRevoked", "account:ACC-77", "agent:ada")
    assert (event["procedure"], event["position"][0]) == ("opt-out@2", 0)
    assert found["evidence"] == [event["event_id"]]
    assert found["watermark"] == {"0": event["position"][1] + 1}
    assert found["replayed"]["same"] is True
    words = commands("explain", decided).out
    assert "because account:ACC-77 said no to everything" in words
    assert "the same answer, in every field" in words


def test_what_was_recorded_later_changes_no_explanation(commands: Commands, decided: str) -> None:
    before = commands("explain", decided).out
    commands.json("grant", "account:ACC-77", *OFFERS, "--brand", "acme", "--basis", "express")
    commands.json("unlink", "account:ACC-77", NUMBER)
    assert commands("explain", decided).out == before
    assert commands.json("replay", "--decisions") == {"decisions": 1, "differing": 0, "unreadable": []}


def test_a_decision_that_was_changed_afterwards_is_found_and_named(commands: Commands, decided: str) -> None:
    tamper(commands, """UPDATE decisions SET value = replace(value, '"allowed":false', '"allowed":true')""")
    found = commands.json("explain", decided, code=1)
    assert found["replayed"]["same"] is False
    assert found["replayed"]["differences"] == [{"field": "allowed", "logged": True, "replayed": False}]
    assert "allowed: logged true, replayed false" in commands("explain", decided).out
    line, summary = commands.lines("replay", "--decisions", code=1)
    assert (line["decision_id"], summary["decisions"], summary["differing"]) == (decided, 1, 1)


def test_what_is_no_decision_is_reported_and_stops_nothing(commands: Commands, decided: str) -> None:
    tamper(commands, "INSERT INTO decisions VALUES (2, x'00', x'00', 9999999999999, '{}')")
    [summary] = commands.lines("replay", "--decisions", code=1)
    assert (summary["decisions"], summary["differing"]) == (2, 1)
    assert "no decision" in summary["unreadable"][0]


def test_a_question_is_not_put_on_record(commands: Commands) -> None:
    asked = commands.json(*ASK, code=1)["decision_id"]
    answer = commands("explain", asked)
    assert answer.code == 2
    assert "no decision" in answer.err
    assert commands.json("replay", "--decisions")["decisions"] == 0


def test_only_a_time_is_replayed_where_one_is_named(commands: Commands, decided: str) -> None:
    logged_at = commands.json("explain", decided)["logged_at"]
    assert commands.json("replay", "--decisions", "--since", logged_at)["decisions"] == 1
    assert commands.json("replay", "--decisions", "--until", logged_at)["decisions"] == 0
    assert commands("replay", "--since", logged_at).code == 2


@pytest.mark.parametrize("text", ["", "7", "not-an-id", NUMBER])
def test_what_is_no_decision_id_is_said_to_be_none(commands: Commands, text: str) -> None:
    answer = commands("explain", text)
    assert answer.code == 2
    assert "no decision id" in answer.err


def test_a_gateway_that_cannot_be_named_so_is_refused_and_nothing_is_answered(commands: Commands) -> None:
    answer = commands(*ASK, "--log", "--gateway", "sms 1", "--json")
    assert (answer.code, answer.out) == (2, "")


def test_decisions_are_in_a_backup_and_come_back(
    commands: Commands, decided: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.json("backup", str(tmp_path / "backup"))
    monkeypatch.setenv("PREFLEDGER_HOME", str(tmp_path / "again"))
    commands.json("restore", str(tmp_path / "backup"))
    assert commands.json("explain", decided)["replayed"]["same"] is True


def test_no_number_stands_in_the_decision_log(commands: Commands, decided: str) -> None:
    found = b"".join(file.read_bytes() for file in commands.home.glob("decisions.db*"))
    assert decided.encode() in found
    assert NUMBER[1:].encode() not in found
    assert b"ACC-77" not in found
