"""After an erasure nobody can read who it was or what they said, though they hold every file and the secret."""

import json
import sqlite3
from base64 import b64decode, b64encode
from contextlib import closing
from pathlib import Path

import pytest

from consumers.bootstrap import open_ledger, open_log_alone
from consumers.settings import load
from tests.consumers.commands import OFFERS, Commands
from tests.consumers.outsiders import proves
from tests.consumers.with_the_key import NONCE, KeyInHand, files_below, in_the_clear, spellings

NUMBER, SISTER = "+14165550123", "+14165550124"
SAID = "Stop texting me at once, this is Jean Tremblay"
YES = (*OFFERS, "--basis", "express", "--occurred-at", "2020-01-01T00:00:00Z")
TRACES = [*spellings(NUMBER), b"Tremblay"]


@pytest.fixture
def used(commands: Commands, tmp_path: Path) -> Commands:
    """A ledger in which a number was imported, linked, asked about, opted out in its own words; all copies are made."""
    (tmp_path / "tmp").mkdir()
    commands.environment.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "given").mkdir()
    given = tmp_path / "given" / "list.csv"
    given.write_text(f"number,at\n{SISTER},2024-01-02T00:00:00Z\n{NUMBER},2023-01-01T00:00:00Z\n")
    commands.json("import", str(given), "--default", "action=revoke", "--map", "occurred_at=at")
    commands.json("link", "FAMILY", NUMBER)
    commands.json("grant", NUMBER, *YES, "--idempotency-key", f"call of {NUMBER}")
    commands.json("decide", NUMBER, *OFFERS, "--log", "--gateway", "sms-1", code=1)
    commands.json("revoke", NUMBER, "--evidence", SAID, "--actor", f"person:{NUMBER}")
    commands.lines("gaps")
    commands.json("replay")
    commands.json("reveal", NUMBER, "--actor", "agent:ada")
    return commands


def readable(commands: Commands, key: KeyInHand, places: list[str]) -> set[bytes]:
    """What the key opens at any place of the files of identities and evidence."""
    contents = [content for path, content in files_below(commands.home).items() if "people" in path.name]
    identities = {plain for content in contents for plain in key.found(content, places[:1], 1)}
    return identities | {plain for content in contents for plain in key.found(content, places[1:], 3)}


def sealed_records(commands: Commands) -> set[bytes]:
    """The beginnings of all sealed records, which no other record shares."""
    with closing(sqlite3.connect(commands.home / "people.db")) as db:
        return {bytes(sealed[:NONCE]) for (sealed,) in db.execute("SELECT sealed FROM vault") if any(sealed)}


def test_nothing_of_them_can_be_read_in_any_file_and_before_it_could(used: Commands, tmp_path: Path) -> None:
    key = KeyInHand(used.home / "secret")
    ref = key.references.of("number", NUMBER)
    [said] = [one for one in used.json("reveal", NUMBER)["evidence"] if one["text"]]
    places = [ref, f"{ref}/{said['event_id']}"]
    before = readable(used, key, places)
    assert f"number:{NUMBER}".encode() in before
    assert any(b"Tremblay" in plain for plain in before)

    sealed = sealed_records(used)
    erased = used.json("erase", NUMBER, "--yes")
    assert (erased["was"], erased["removed"]) == ("kept", 2)

    assert readable(used, key, places) == set()
    removed = sealed - sealed_records(used)
    assert len(removed) == 2
    files = files_below(used.home, tmp_path / "tmp")
    assert any(path.suffix == ".snapshot" for path in files), "the gate's copy is among them"
    assert in_the_clear(files, removed) == []
    assert in_the_clear(files_below(used.home, tmp_path / "tmp"), TRACES) == []
    assert used.json("reveal", SISTER)["id"] == SISTER, "and everybody else is as they were"


def test_the_person_who_acted_by_number_is_the_number_and_goes_with_it(used: Commands) -> None:
    key = KeyInHand(used.home / "secret")
    used.json("revoke", SISTER, "--actor", f"person:{NUMBER}", "--reach", "contact")
    used.json("erase", NUMBER, "--yes")
    assert used.json("reveal", key.references.of("person", NUMBER), code=1)["id"] is None
    assert used.json("reveal", key.references.of("number", NUMBER), code=1)["id"] is None


def test_the_log_is_byte_for_byte_what_it_was_with_one_event_more(used: Commands) -> None:
    def entries() -> list[tuple[object, ...]]:
        log = open_log_alone(used.home / "ledger.db")
        try:
            return [(one.recorded_at, one.key, one.value) for one in log.read(0, 0, log.ends()[0])]
        finally:
            log.close()

    before = entries()
    event = used.json("erase", NUMBER, "--yes")["event_id"]
    after = entries()
    assert after[:-1] == before
    assert json.loads(str(after[-1][2], "utf-8"))["event_id"] == event  # type: ignore[call-overload]


def test_a_checkpoint_and_a_proof_from_before_still_verify_and_the_new_one_continues_it(
    used: Commands, tmp_path: Path
) -> None:
    event = used.json("revoke", NUMBER, "--evidence", SAID)["event_id"]
    kept = tmp_path / "kept"
    key = used.json("checkpoint", "--out", str(kept))["key"]
    before = used.json("prove", event)
    used.json("erase", NUMBER, "--yes")
    assert proves(tmp_path, before), "the auditor holds it already, and it needs nothing of the ledger"
    assert used("verify", str(kept), "--key", key).code == 0
    used.json("checkpoint")
    assert used("verify", str(kept), "--key", key).code == 0
    after = used.json("prove", event)
    assert (after["leaf"], after["position"]) == (before["leaf"], before["position"])
    assert after["head_proof"] != before["head_proof"], "it is under the new checkpoint"
    assert proves(tmp_path, after)
    forged = b64decode(after["leaf"]).replace(b"PreferenceRevoked", b"PreferenceGranted")
    for proof in (before, after):
        assert not proves(tmp_path, proof | {"leaf": b64encode(forged).decode()})
    assert not proves(tmp_path, after | {"head_proof": before["head_proof"]}), "of another head"


def test_the_no_stays_in_force_wherever_it_is_asked(used: Commands, tmp_path: Path) -> None:
    used.json("erase", NUMBER, "--yes")
    assert used.reason(NUMBER) == "revoked_by_number"
    assert used.lines("gaps") == [], "the gate's copy agrees"
    rows, allowed, denied = (tmp_path / name for name in ("rows.csv", "allowed.csv", "denied.csv"))
    rows.write_text(f"number\n{NUMBER}\n")
    used("scrub", str(rows), str(allowed), "--denied", str(denied), "--channel", "sms", "--purpose", "marketing.offers")
    assert "revoked_by_number" in denied.read_text()
    assert NUMBER not in allowed.read_text()


def test_the_log_of_decisions_never_knew_who_it_was(used: Commands) -> None:
    content = {path.name: content for path, content in files_below(used.home).items()}["decisions.db"]
    with open_ledger(load()) as ledger:
        assert ledger.references.of("number", NUMBER).encode() in content
    assert [text for text in TRACES if text in content] == []


@pytest.mark.parametrize("action", ["revoke", "grant", "link"])
def test_no_list_brings_them_back(used: Commands, tmp_path: Path, action: str) -> None:
    used.json("erase", NUMBER, "--yes")
    before = used.reason(NUMBER)
    file = tmp_path / "again.csv"
    file.write_text(
        f"number,account,at,basis,channel,purpose\n{NUMBER},{'FAMILY' if action == 'link' else ''},"
        "2021-01-01T00:00:00Z,express,sms,marketing.offers\n"
    )
    answer = used("import", str(file), "--default", f"action={action}", "--map", "occurred_at=at")
    assert answer.code == 0, answer
    assert used.json("reveal", NUMBER, code=1)["id"] is None
    assert used.reason(NUMBER) == before == "revoked_by_number"
    assert in_the_clear(files_below(used.home), TRACES) == []


def test_a_later_no_keeps_neither_who_nor_what_they_said_and_a_later_yes_does(used: Commands) -> None:
    used.json("erase", NUMBER, "--yes")
    used.json("revoke", NUMBER, "--evidence", "Tremblay again", "--actor", "person")
    shown = used.json("reveal", NUMBER, code=1)
    assert (shown["id"], {one["standing"] for one in shown["evidence"]}) == (None, {"erased"})
    used.json("grant", NUMBER, *OFFERS, "--basis", "express", "--actor", "person", "--evidence", "yes, please")
    shown = used.json("reveal", NUMBER)
    assert shown["id"] == NUMBER
    assert [one["text"] for one in shown["evidence"] if one["standing"] == "genuine"] == ["yes, please"]


@pytest.mark.parametrize("subject", [NUMBER, "account:FAMILY", "email:jean@example.org"])
def test_every_kind_of_subject_can_be_erased_again_and_before_it_was_known(used: Commands, subject: str) -> None:
    is_known = not subject.startswith("email")
    first = used.json("erase", subject, "--yes")
    assert first["was"] == ("kept" if is_known else "unknown")
    again = used.json("erase", subject, "--yes")
    assert (again["was"], again["removed"], again["duplicate"]) == ("erased", 0, False)
    used.json("revoke", subject)
    assert used("reveal", subject).code == 1
    assert "nobody was known" in used("erase", "+14165550199", "--yes").out


def test_a_repeated_request_does_not_undo_a_yes_that_was_said_since(used: Commands) -> None:
    used.json("erase", NUMBER, "--yes", "--idempotency-key", "letter 7")
    used.json("grant", NUMBER, *OFFERS, "--basis", "express", "--actor", "person")
    again = used.json("erase", NUMBER, "--yes", "--idempotency-key", "letter 7")
    assert (again["duplicate"], again["was"], again["removed"]) == (True, "renewed", 0)
    assert used.json("reveal", NUMBER)["id"] == NUMBER
