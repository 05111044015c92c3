"""The case of 2014 as an auditor works it years later, from nothing but the ledger.

Staff opted out the primary number of two accounts under a procedure that had been withdrawn; the family's other four
numbers went on being texted, and some of them even after somebody had opted out the account. Who was it, who else, what
was true on a given day, since when was it in force, who was texted all the same, and how does the Commissioner know?
"""

import csv
import json
import shutil
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.consumers.commands import OFFERS, Commands
from tests.consumers.outsiders import Outsider

FAMILY = [f"+1416555010{number}" for number in range(1, 6)]
OTHERS = ["+16045550111", "+16045550112"]
OUTDATED = ("--actor", "agent:ada", "--procedure", "opt-out@1", "--reach", "contact", "--purpose", "marketing")
SAID = "2014-05-12T15:00:00Z"
IN_MAY, IN_JULY = "2014-05-20T00:00:00Z", "2014-07-01T00:00:00Z"
TEXTED = [
    (FAMILY[1], "2030-06-10T14:00:00Z"),
    (FAMILY[1], "2030-06-17T14:00:00Z"),
    (FAMILY[2], "2030-06-10T14:00:00Z"),
]
"""Messages that a gateway asked about before the account said no. A ledger's clock cannot be set back: what is said of
2014 is recorded today, and only what goes out after that went out against what was on record."""


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


def operate(commands: Commands, texted: Sequence[tuple[str, str]] = TEXTED) -> None:
    """`texted`: what a gateway asked about in time, and sent when it was too late."""
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
    for number, at in texted:
        commands.json("decide", number, *OFFERS, "--at", at, "--log", "--gateway", "sms-1")
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


def test_who_joined_later_and_who_has_left_since_are_affected_and_who_had_left_before_is_not(
    commands: Commands,
) -> None:
    first, gone, left, joined, silent = FAMILY
    commands.json("procedure", "publish", "opt-out@1", "--occurred-at", "2012-01-01T00:00:00Z")
    commands.json("procedure", "withdraw", "opt-out@1", "--occurred-at", "2014-03-01T00:00:00Z")
    commands.lines("link", "FAMILY", first, gone, left, silent, "--occurred-at", "2013-01-01T00:00:00Z")
    for number in (first, gone, left, joined):
        commands.json("grant", number, *OFFERS, "--basis", "express", "--occurred-at", "2013-01-02T00:00:00Z")
    commands.json("unlink", "FAMILY", gone, "--occurred-at", "2014-05-01T00:00:00Z")
    no = commands.json("revoke", first, *OUTDATED, "--occurred-at", SAID)["event_id"]
    commands.json("unlink", "FAMILY", left, "--occurred-at", "2014-06-01T00:00:00Z")
    commands.json("link", "FAMILY", joined, "--occurred-at", "2014-07-01T00:00:00Z")

    def states() -> dict[str, str]:
        others = found(commands, "affected")
        assert {(one["account"], *one["because"]) for one in others} == {("account:FAMILY", no)}
        return {one["subject"]: one["state"] for one in others}

    assert states() == {"+1416•••0103": "reachable", "+1416•••0104": "reachable", "+1416•••0105": "silent"}
    commands.json("revoke", "account:FAMILY", "--purpose", "marketing", "--occurred-at", "2014-08-01T00:00:00Z")
    assert states() == {"+1416•••0103": "reachable", "+1416•••0104": "set_right", "+1416•••0105": "set_right"}


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


def test_which_numbers_went_on_being_texted_from_when_to_when_and_by_which_gateway(ledger: Commands) -> None:
    """From the decisions on record: a gateway asked in time, sent later, and did not ask again."""
    found = ledger.lines("violations", "--affected", code=1)
    assert {(one["subject"], one["gateway"], one["first_at"], one["last_at"], one["sends"]) for one in found} == {
        ("+1416•••0102", "sms-1", "2030-06-10T14:00:00.000Z", "2030-06-17T14:00:00.000Z", 2),
        ("+1416•••0103", "sms-1", "2030-06-10T14:00:00.000Z", "2030-06-10T14:00:00.000Z", 1),
    }
    no = next(line for line in ledger.lines("timeline", FAMILY[1]) if line["type"] == "PreferenceRevoked")
    messages = ledger.lines("violations", code=1)
    assert {(one["reason"], *one["events"], one["recorded_at"], one["after"]) for one in messages} == {
        ("revoked_by_account", no["event_id"], no["recorded_at"], "enforced")
    }
    why = ledger.json("explain", messages[0]["source"])
    assert (why["reason"], why["replayed"]["same"]) == ("granted", True), "what it was told when it asked was right"


def test_what_a_gateway_sent_that_never_asked_is_found_in_its_own_file(ledger: Commands) -> None:
    sent = [
        (FAMILY[0], IN_JULY), (FAMILY[0], "2030-07-01T09:00:00Z"), (FAMILY[3], "2030-07-01T09:00:00Z"),
        (FAMILY[3], "2030-08-15T09:00:00Z"), (OTHERS[1], "2030-07-01T09:00:00Z"),
    ]  # fmt: skip
    file = ledger.home.parent / "sent.csv"
    file.write_text("number,sent_at,gateway\n" + "".join(f"{number},{at},sms-old\n" for number, at in sent), "utf-8")
    message = ("--default", "channel=sms", "--default", "purpose=marketing.offers")
    found = ledger.lines("violations", "--affected", "--decisions", "--sends", str(file), *message, code=1)
    assert {(one["subject"], one["gateway"], one["first_at"][:10], one["last_at"][:10]) for one in found} == {
        ("+1416•••0101", "sms-old", "2030-07-01", "2030-07-01"),
        ("+1416•••0102", "sms-1", "2030-06-10", "2030-06-17"),
        ("+1416•••0103", "sms-1", "2030-06-10", "2030-06-10"),
        ("+1416•••0104", "sms-old", "2030-07-01", "2030-08-15"),
    }, "nobody has said no for the last number of the other account"


def test_what_went_out_to_the_others_between_the_outdated_opt_out_and_its_correction(ledger: Commands) -> None:
    """No message of then was against a no of theirs, so that `violations` has none of them; two other steps have."""
    sent = ledger.home.parent / "sent.csv"
    rows = [
        (FAMILY[3], "2014-05-11T09:00:00Z"), (FAMILY[3], "2014-05-20T09:00:00Z"), (FAMILY[3], "2014-05-27T09:00:00Z"),
        (FAMILY[3], "2014-06-03T09:00:00Z"), (OTHERS[1], "2014-09-01T09:00:00Z"), ("+14165550177", IN_MAY),
    ]  # fmt: skip
    sent.write_text("number,sent_at,gateway\n" + "".join(f"{number},{at},sms-old\n" for number, at in rows), "utf-8")
    steps = {step["event_id"]: step for step in found(ledger, "misstep")}
    asked, unasked = set(), set()
    for one in found(ledger, "affected"):
        number = ledger.json("reveal", one["ref"], "--actor", "agent:eve")["id"]
        told = ledger.lines("timeline", number)
        [flawed] = [steps[event_id] for event_id in one["because"]]
        right = [line for line in told if line["type"] != "Decision" and line["event_id"] in one["evidence"]]
        recorded, said = ([line[clock] for line in right] or ["9999"] for clock in ("recorded_at", "occurred_at"))
        asked |= {
            (number, line["gateway"], line["decided_at"])
            for line in told
            if line["type"] == "Decision" and line["allowed"] and flawed["recorded_at"] < line["at"] < min(recorded)
        }
        unasked |= {
            (number, gateway, at)
            for row, at, gateway in csv.reader(sent.read_text("utf-8").splitlines()[1:])
            if row == number and flawed["occurred_at"] < at < min(said)
        }
    assert asked == {(number, "sms-1", at.replace("Z", ".000Z")) for number, at in TEXTED}
    assert unasked == {(number, "sms-old", at) for number, at in (*rows[1:3], rows[4])}
    assert {look["by"] for look in ledger.lines("looks")} == {"agent:eve"}


def test_what_was_true_on_the_days_of_the_messages(ledger: Commands) -> None:
    def reason(number: str, at: str) -> str:
        decisions = ledger.json("as-of", at, number)["decisions"]
        return next(
            one["reason"] for one in decisions if (one["purpose"], one["channel"]) == ("marketing.offers", "sms")
        )

    texted, *_ = ledger.lines("violations", "--affected", code=1)
    for at in (texted["first_at"], texted["last_at"]):
        assert reason(FAMILY[0], at) == "revoked_by_number"
        assert {reason(number, at) for number in FAMILY[1:]} == {"revoked_by_account"}
        assert reason(OTHERS[1], at) == "granted"


@pytest.fixture
def commissioner(ledger: Commands, tmp_path: Path) -> Outsider:
    """Has a checkpoint, an export of the log, the script, and the bundles of two numbers; and nothing of ours."""
    ledger.json("checkpoint", "--out", str(tmp_path / "kept"))
    for number, name in ((FAMILY[0], "opted-out.json"), (FAMILY[1], "texted.json")):
        ledger.json("bundle", number, str(tmp_path / name), "--actor", "agent:eve")
    assert ledger("verify", "--export", str(tmp_path / "log.jsonl")).code == 0
    (tmp_path / "verify_bundle.py").write_text(ledger("verify-bundle", "--script").out, "utf-8")
    return Outsider(tmp_path)


def checked(ledger: Commands, commissioner: Outsider, name: str) -> tuple[int, str]:
    """Exit code and words of the script; the key is one that the operator told elsewhere."""
    key = ledger.json("checkpoint")["key"]
    done = commissioner.python("verify_bundle.py", name, "--key", key, "--log", "log.jsonl", "--checkpoint", "kept")
    return done.returncode, done.stdout


def test_a_bundle_for_the_commissioner_verifies_on_a_machine_without_this_project(
    ledger: Commands, commissioner: Outsider
) -> None:
    code, told = checked(ledger, commissioner, "opted-out.json")
    assert code == 0, told
    assert f"number:{FAMILY[0]}" in told
    assert '"procedure": "opt-out@1"' in told
    assert "'Plus de textos'" in told
    assert "ProcedureWithdrawn" in told, "that it was out of date when it was used"
    code, told = checked(ledger, commissioner, "texted.json")
    assert code == 0, told
    assert f"number:{FAMILY[1]}" in told
    assert "account:FAMILY" in told
    assert "PreferenceRevoked" in told
    assert {look["by"] for look in ledger.lines("looks")} == {"agent:eve"}


def test_the_no_of_the_account_cannot_be_kept_from_the_commissioner(ledger: Commands, commissioner: Outsider) -> None:
    file = commissioner.folder / "texted.json"
    document = json.loads(file.read_bytes())
    document["entries"] = [one for one in document["entries"] if b"PreferenceRevoked" not in b64decode(one["leaf"])]
    file.write_text(json.dumps(document), "utf-8")
    code, told = checked(ledger, commissioner, "texted.json")
    assert code == 1
    assert "an event was left out" in told
