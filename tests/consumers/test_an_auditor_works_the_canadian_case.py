"""The case of 2014 as an auditor works it years later, from nothing but the ledger.

Staff opted out the primary number of two accounts under a procedure that had been withdrawn; the family's other four
numbers went on being texted until somebody opted out the account. Who was it, who else, what was true on a given day,
since when was it in force?
"""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.consumers.commands import OFFERS, Commands

FAMILY = [f"+1416555010{number}" for number in range(1, 6)]
OTHERS = ["+16045550111", "+16045550112"]
OUTDATED = ("--actor", "agent:ada", "--procedure", "opt-out@1", "--reach", "contact", "--purpose", "marketing")
SAID = "2014-05-12T15:00:00Z"
IN_MAY, IN_JULY = "2014-05-20T00:00:00Z", "2014-07-01T00:00:00Z"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the ledger is kept once it was made: every test works on a copy."""
    return tmp_path_factory.mktemp("case") / "ledger"


@pytest.fixture
def ledger(commands: Commands, made: Path) -> Commands:
    """What the operator did; nothing of it is known to the auditor but through the ledger."""
    if not made.exists():
        operate(commands)
        shutil.copytree(commands.home, made)
    shutil.copytree(made, commands.home, dirs_exist_ok=True)
    return commands


def operate(commands: Commands) -> None:
    commands.json("procedure", "publish", "opt-out@1", "--occurred-at", "2012-01-01T00:00:00Z")
    commands.json("procedure", "publish", "opt-out@2", "--occurred-at", "2014-03-01T00:00:00Z")
    commands.json("procedure", "withdraw", "opt-out@1", "--occurred-at", "2014-03-01T00:00:00Z")
    commands.json("procedure", "acknowledge", "opt-out@2", "--actor", "agent:ben")
    commands.lines("link", "FAMILY", *FAMILY, "--occurred-at", "2013-01-01T00:00:00Z")
    commands.lines("link", "OTHER", *OTHERS, "--occurred-at", "2013-01-01T00:00:00Z")
    for number in (*FAMILY, *OTHERS):
        commands.json("grant", number, *OFFERS, "--basis", "express", "--occurred-at", "2013-01-02T00:00:00Z")
    for number in (FAMILY[0], OTHERS[0]):
        commands.json("revoke", number, *OUTDATED, "--occurred-at", SAID, "--evidence", "Plus de textos")
    commands.json("revoke", "account:FAMILY", "--purpose", "marketing", "--occurred-at", "2014-06-02T00:00:00Z")


def found(ledger: Commands, kind: str) -> list[dict[str, Any]]:
    return [line for line in ledger.lines("procedures", "--procedure", "opt-out@1", code=1) if line["kind"] == kind]


def test_which_customers_were_opted_out_under_the_outdated_procedure_and_by_whom(ledger: Commands) -> None:
    steps = found(ledger, "misstep")
    assert [(step["subject"], step["actor"], step["procedure"], step["standing"]) for step in steps] == [
        ("+1416•••0101", "agent:ada", "opt-out@1", "withdrawn"),
        ("+1604•••0111", "agent:ada", "opt-out@1", "withdrawn"),
    ]
    assert all(step["flagged"] for step in steps)
    versions = [line for line in ledger.lines("procedures", code=1) if line["kind"] == "version"]
    assert [(one["procedure"], one["standing"], one["not_acknowledged_by"]) for one in versions] == [
        ("opt-out@1", "withdrawn", []),
        ("opt-out@2", "current", ["agent:ada"]),
    ]


def test_who_else_is_affected_and_whether_it_was_set_right(ledger: Commands) -> None:
    affected = {(one["subject"], one["account"], one["state"]) for one in found(ledger, "affected")}
    assert affected == {
        *((f"+1416•••010{number}", "account:FAMILY", "set_right") for number in range(2, 6)),
        ("+1604•••0112", "account:OTHER", "reachable"),
    }
    [other] = [one for one in found(ledger, "affected") if one["state"] == "reachable"]
    assert "acme/sms/marketing.offers" in other["reachable"]
    family = [one for one in found(ledger, "affected") if one["state"] == "set_right"]
    account_no = next(
        line["event_id"] for line in ledger.lines("timeline", "account:FAMILY") if line["type"] == "PreferenceRevoked"
    )
    assert {tuple(one["evidence"]) for one in family} == {(account_no,)}
    assert all(one["set_right_at"] for one in family)


def test_a_list_for_the_commissioner_is_exported(ledger: Commands, tmp_path: Path) -> None:
    ledger("procedures", "--procedure", "opt-out@1", "--out", str(tmp_path / "affected.parquet"))
    rows = pq.read_table(tmp_path / "affected.parquet").to_pylist()
    assert [row["kind"] for row in rows] == ["misstep"] * 2 + ["affected"] * 5 + ["version"]
    assert ledger("procedures", "--procedure", "opt-out@7").code == 2, "a slip of the pen is not a clean record"


def test_what_was_true_on_a_given_day_and_what_was_known_then(ledger: Commands) -> None:
    def reason(number: str, at: str, *known: str) -> str:
        answers = ledger.json("as-of", at, number, *known)["decisions"]
        return next(one["reason"] for one in answers if (one["purpose"], one["channel"]) == ("marketing.offers", "sms"))

    assert [reason(number, IN_MAY) for number in FAMILY] == ["revoked_by_number", *["granted"] * 4]
    assert [reason(number, IN_JULY) for number in FAMILY] == ["revoked_by_number", *["revoked_by_account"] * 4]
    before = next(line for line in ledger.lines("timeline", OTHERS[0]) if line["type"] == "PreferenceRevoked")
    known = ("--known-at", before["recorded_at"])
    assert [reason(number, IN_JULY, *known) for number in FAMILY] == ["revoked_by_number", *["granted"] * 4]
    assert ledger.json("as-of", IN_JULY, FAMILY[0], "--known-at", IN_JULY)["levels"][0]["statements"] == []


def test_when_it_was_said_recorded_and_in_force(ledger: Commands) -> None:
    said = [line for line in ledger.lines("timeline", FAMILY[1]) if line["type"] == "PreferenceRevoked"]
    assert [(line["via"], line["counts"], line["why"]) for line in said] == [("account:FAMILY", True, "member")]
    confirmed = ledger.json("confirm", said[0]["event_id"])
    assert (confirmed["requested_at"], confirmed["state"]) == ("2014-06-02T00:00:00.000Z", "enforced")
    assert confirmed["enforced_at"] == said[0]["recorded_at"], "on this ledger what is recorded is in force"
    late = ledger.lines("late", "--within", "10d", "--since", "said", code=1)
    assert {line["said_at"] for line in late} == {"2014-05-12T15:00:00.000Z", "2014-06-02T00:00:00.000Z"}


def test_the_timeline_of_the_first_number_says_on_what_evidence(ledger: Commands) -> None:
    [no] = [
        line
        for line in ledger.lines("timeline", FAMILY[0])
        if line["type"] == "PreferenceRevoked" and line["via"] is None
    ]
    assert (no["actor"], no["procedure"], no["flags"]) == ("agent:ada", "opt-out@1", ["procedure_withdrawn"])
    assert len(no["evidence"]["commitment"]) == 64
    words = ledger("timeline", FAMILY[0]).out
    assert f"commitment {no['evidence']['commitment'][:16]}" in words
    assert "Plus de textos" not in words, "the words are shown by reveal, and who looked is recorded"


def test_which_accounts_are_still_split(ledger: Commands) -> None:
    [gap] = ledger.lines("gaps", "--strict", code=1)
    assert (gap["gap"], gap["account"], gap["opted_out"], gap["reachable"]) == (
        "partial", "account:OTHER", ["+1604•••0111"], ["+1604•••0112"],
    )  # fmt: skip


# The messages that went out all the same are found by `violations`, and the bundle for the Commissioner is made by
# `bundle`: their steps of the case follow here.
