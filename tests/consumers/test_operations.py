"""Halting, erasing, backing up, restoring, correcting: what operators do, as they do it."""

import os
import sqlite3
import time
from pathlib import Path

from ledger.record import system_clock
from schemas.times import rfc3339
from tests.consumers.commands import OFFERS, Commands

NUMBER = "+14165550123"
YES = (*OFFERS, "--basis", "express")
EVERYTHING = ("--channel", "*", "--purpose", "*", "--brand", "*")
WORDS = "Stop texting me at once, this is Jean Tremblay"


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_stop_switch_denies_even_what_never_needs_consent_until_it_is_resumed(commands: Commands) -> None:
    commands.json("grant", NUMBER, *YES)
    commands.json("halt", *EVERYTHING)
    assert commands.reason(NUMBER) == "halted"
    assert commands.reason(NUMBER, purpose="service.codes") == "halted"
    refused = commands("resume", "--channel", "sms", "--purpose", "*", "--brand", "*")
    assert (refused.code, "exactly this scope" in refused.err) == (2, True)
    commands.json("resume", *EVERYTHING)
    assert commands.reason(NUMBER) == "granted"


def test_erasing_removes_who_it_was_and_what_they_said_but_not_the_no(commands: Commands) -> None:
    commands.json("revoke", NUMBER, "--evidence", WORDS, "--actor", "person")
    commands.json("grant", NUMBER, *YES, "--occurred-at", "2020-01-01T00:00:00Z", "--idempotency-key", NUMBER)
    assert commands.json("reveal", NUMBER)["evidence"][0]["text"] == WORDS
    assert commands("erase", NUMBER).code == 2, "it says --yes"
    erased = commands.json("erase", NUMBER, "--yes")
    assert erased["removed"] == 2
    assert commands.json("reveal", NUMBER, code=1)["id"] is None
    assert commands.reason(NUMBER) == "revoked_by_number"
    for trace in (NUMBER, "Tremblay"):
        assert trace.encode() not in bytes_below(commands.home)


def test_after_an_erasure_an_opt_out_or_import_writes_no_identity_and_a_persons_yes_does(
    commands: Commands, tmp_path: Path
) -> None:
    commands.json("revoke", NUMBER)
    commands.json("erase", NUMBER, "--yes")
    commands.json("revoke", NUMBER)
    file = tmp_path / "list.csv"
    file.write_text(f"number\n{NUMBER}\n")
    assert commands("import", str(file), "--default", "action=revoke").code == 0
    assert commands("reveal", NUMBER).code == 1
    commands.json("grant", NUMBER, *YES, "--actor", "person")
    assert commands.json("reveal", NUMBER)["id"] == NUMBER


def test_a_backup_brings_everything_back_and_erases_again_what_was_erased_since(
    commands: Commands, tmp_path: Path
) -> None:
    assert any("prefledger backup" in line["what"] for line in commands.lines("doctor"))
    commands.json("revoke", NUMBER, "--evidence", WORDS)
    commands.json("revoke", "+14165550124")
    backup = tmp_path / "backup.tar"
    commands.json("backup", str(backup))
    assert backup.stat().st_mode & 0o077 == 0
    assert not any("prefledger backup" in line["what"] for line in commands.lines("doctor"))
    commands.json("erase", NUMBER, "--yes")
    later = commands.home / "ledger.db"
    commands.environment.setenv("PREFLEDGER_HOME", str(tmp_path / "new"))
    restored = commands.json("restore", str(backup), "--newer", str(later))
    assert restored["erased_again"] == 2
    assert commands.reason(NUMBER) == "revoked_by_number"
    assert commands("reveal", NUMBER).code == 1
    assert commands.json("reveal", "+14165550124")["id"] == "+14165550124"
    assert commands("restore", str(backup)).code == 2, "never over a ledger that is there"


def test_a_backup_brings_back_what_checkpoints_are_checked_with(commands: Commands, tmp_path: Path) -> None:
    commands.json("revoke", NUMBER)
    commands.json("checkpoint", "--out", str(tmp_path / "kept"))
    commands.json("backup", str(tmp_path / "backup.tar"))
    commands.environment.setenv("PREFLEDGER_HOME", str(tmp_path / "new"))
    commands.json("restore", str(tmp_path / "backup.tar"))
    assert commands.json("verify", str(tmp_path / "kept"))["findings"] == []
    commands.json("revoke", "+14165550124")
    commands.json("checkpoint")
    assert commands.json("verify", str(tmp_path / "kept"))["findings"] == []


def test_a_damaged_backup_restores_nothing(commands: Commands, tmp_path: Path) -> None:
    commands.json("revoke", NUMBER)
    backup, half = tmp_path / "backup.tar", tmp_path / "half.tar"
    commands.json("backup", str(backup))
    half.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    commands.environment.setenv("PREFLEDGER_HOME", str(tmp_path / "new"))
    assert commands("restore", str(half)).code == 2
    assert not (tmp_path / "new" / "ledger.db").exists()
    assert not (tmp_path / "new" / "secret").exists()


def test_correcting_an_opt_out_needs_a_role_of_its_own(commands: Commands) -> None:
    commands.json("grant", NUMBER, *YES)
    no = commands.json("revoke", NUMBER)["event_id"]
    assert commands("correct", no).code == 2
    correction = commands.json("correct", no, "--role", "corrector")["event_id"]
    assert commands.reason(NUMBER) == "granted"
    commands.json("correct", correction)
    assert commands.reason(NUMBER) == "revoked_by_number"


def test_a_retry_with_the_same_key_is_recorded_once_and_named_as_the_first(commands: Commands) -> None:
    first = commands.json("revoke", NUMBER, "--idempotency-key", "call 17")
    again = commands.json("revoke", NUMBER, "--idempotency-key", "call 17")
    assert (again["event_id"], again["duplicate"]) == (first["event_id"], True)
    other = commands("grant", NUMBER, *YES, "--idempotency-key", "call 17")
    assert (other.code, "call 17" in other.err) == (2, True)


def test_what_was_known_differs_from_what_was_true(commands: Commands) -> None:
    commands.json("grant", NUMBER, *YES, "--occurred-at", "2020-01-01T00:00:00Z")
    before = rfc3339(system_clock() + 1)
    time.sleep(0.01)
    commands.json("revoke", NUMBER, "--occurred-at", "2021-01-01T00:00:00Z")

    def answer(at: str, *known: str) -> str:
        asked = commands.json("as-of", at, NUMBER, *known)["decisions"]
        return next(one["reason"] for one in asked if (one["purpose"], one["channel"]) == ("marketing.offers", "sms"))

    assert answer("2020-06-01T00:00:00Z") == "granted"
    assert answer("2021-06-01T00:00:00Z") == "revoked_by_number"
    assert answer("2021-06-01T00:00:00Z", "--known-at", before) == "granted"


def test_follow_ups_are_assigned_and_resolved(commands: Commands) -> None:
    commands.json("revoke", NUMBER, "--channel", "smoke")
    [waiting] = commands.lines("follow-ups", "list")
    commands.json("follow-ups", "assign", waiting["follow_up"], "--to", "ben")
    assert commands.lines("follow-ups", "list")[0]["assignee"] == "agent:ben"
    commands.json("follow-ups", "resolve", waiting["follow_up"])
    assert commands.lines("follow-ups", "list") == []
    assert len(commands.lines("follow-ups", "list", "--all")) == 1


def test_the_doctor_finds_a_secret_that_others_can_read(commands: Commands) -> None:
    commands.json("revoke", NUMBER)
    assert commands("doctor").code == 0
    (commands.home / "secret").chmod(0o644)
    answer = commands("doctor")
    assert (answer.code, "chmod 600" in answer.out) == (1, True)


def test_settings_show_no_secret(commands: Commands) -> None:
    commands.json("revoke", NUMBER)
    secret = (commands.home / "secret").read_text().strip()
    assert secret not in commands("settings").out
    assert commands.json("settings")["PREFLEDGER_HOME"] == str(commands.home)


def test_a_policy_counts_from_the_time_that_it_names(commands: Commands) -> None:
    assert commands.reason(NUMBER, purpose="service") == "permitted_by_policy"
    commands.policy({"purposes": {"service": {"regime": "opt_in"}}, "effective_from": "2024-01-01T00:00:00Z"})
    assert commands.reason(NUMBER, purpose="service") == "no_consent"
    assert commands.reason(NUMBER, "--at", "2023-01-01T00:00:00Z", purpose="service") == "permitted_by_policy"


def test_a_copy_that_lost_a_no_is_found_by_asking_it_against_the_log(commands: Commands) -> None:
    commands.json("revoke", NUMBER)
    assert commands.lines("gaps") == []
    ref = commands.json("ref", NUMBER)["ref"]
    with sqlite3.connect(commands.home / "projections.db") as db:
        assert db.execute("DELETE FROM states WHERE key = ?", (ref,)).rowcount == 1
    (commands.home / "replica.snapshot").unlink()
    found = commands.lines("gaps", code=1)
    assert {(gap["gap"], gap["contact"], gap["ref"]) for gap in found} == {("uncovered", "+1416•••0123", ref)}
    assert {(gap["expected"], gap["got"]) for gap in found} == {("revoked_by_number", "permitted_by_policy")}
    assert commands.json("replay", code=1)["differences"] == [{"key": ref, "what": "missing"}]


def test_what_a_killed_backup_left_is_found_wherever_it_was_to_go(commands: Commands, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    commands.json("revoke", NUMBER)
    commands.json("backup", str(elsewhere / "one.tar"))
    left = elsewhere / ".backup-abc"
    left.mkdir()
    assert commands("doctor").code == 0, "a backup may be under way"
    long_ago = time.time() - 7_200
    os.utime(left, (long_ago, long_ago))
    found = commands.lines("doctor", code=1)
    assert any(str(left) in line["what"] and line["severity"] == "problem" for line in found)
    left.rmdir()
    assert commands("doctor").code == 0
