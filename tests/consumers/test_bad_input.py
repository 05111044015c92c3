"""Bad input gets one clear sentence: what, where, what to do; nothing is half-written, and an opt-out is recorded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.consumers.commands import OFFERS, Commands

GRANT = ("--channel", "sms", "--purpose", "marketing.offers", "--basis", "express")
NUMBER = "+14165550123"


@pytest.mark.parametrize(
    "subject",
    ["", "hello", "+1", "911", "+1416555012345678", "+1 416 555 0123 x5", "4165550123", "account:", "email:a"],
)
def test_a_subject_that_is_none_is_refused_with_one_sentence(commands: Commands, subject: str) -> None:
    answer = commands("grant", subject, *GRANT)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize("subject", ["account:" + "x" * 10_000, "account:a\x00b", "account:a\nb", "number:+1\x1b[31m"])
def test_long_ids_and_control_characters_are_refused_and_not_repeated(commands: Commands, subject: str) -> None:
    answer = commands("grant", subject, *GRANT)
    assert answer.code == 2
    assert len(answer.err) < 300
    assert answer.err.rstrip("\n").isprintable()


def test_an_opt_out_that_cannot_be_understood_becomes_a_follow_up_in_the_inbox(commands: Commands) -> None:
    answer = commands("revoke", "that lady from Toronto", "--actor", "agent:ada")
    assert answer.code == 2
    [waiting] = commands.lines("follow-ups", "list")
    assert waiting["reason"] == "subject_not_understood"
    assert waiting["follow_up"] in answer.err


@pytest.mark.parametrize("time", ["2026-01-01T10:00:00", "yesterday", "2026-01-01", "2999-01-01T00:00:00Z"])
def test_an_unclear_time_refuses_a_grant_but_only_flags_an_opt_out(commands: Commands, time: str) -> None:
    assert commands("grant", NUMBER, *GRANT, "--occurred-at", time).code == 2
    assert commands.reason(NUMBER) == "no_consent"
    assert commands.json("revoke", NUMBER, "--occurred-at", time)["flags"] == ["clamped_time"]
    assert commands.reason(NUMBER) == "revoked_by_number"


def test_a_time_without_an_offset_counts_where_its_zone_is_named(commands: Commands) -> None:
    where = ("--occurred-at", "2026-01-01T10:00:00", "--timezone", "America/Toronto")
    assert commands.json("revoke", NUMBER, *where)["flags"] == []
    assert commands.lines("timeline", NUMBER)[0]["occurred_at"] == "2026-01-01T15:00:00.000Z"


@pytest.mark.parametrize(("part", "flag"), [("channel", "smoke"), ("purpose", "marketing.smoke"), ("brand", "smoke")])
def test_what_is_unknown_refuses_a_grant_and_widens_an_opt_out(commands: Commands, part: str, flag: str) -> None:
    said = {"channel": "sms", "purpose": "marketing.offers", "brand": "acme"} | {part: flag}
    options = [text for name, value in said.items() for text in (f"--{name}", value)]
    refused = commands("grant", NUMBER, *options, "--basis", "express")
    assert (refused.code, flag in refused.err) == (2, True)
    assert commands.json("revoke", NUMBER, *options)["flags"] == [f"widened_{part}"]
    asked = commands("decide", NUMBER, *options)
    assert (asked.code, flag in asked.err) == (2, True)


def test_a_question_is_about_something_concrete(commands: Commands) -> None:
    answer = commands("decide", NUMBER, "--channel", "*", "--purpose", "marketing.offers")
    assert answer.code == 2
    assert "concrete" in answer.err


def test_a_wrong_option_is_exit_code_2(commands: Commands) -> None:
    assert commands("decide", NUMBER, "--chanel", "sms").code == 2
    assert commands("no-such-command").code == 2


def test_a_file_that_is_no_ledger_is_refused_and_stays_as_it_is(commands: Commands) -> None:
    commands.home.mkdir()
    ledger = commands.home / "ledger.db"
    ledger.write_bytes(b"dear diary" * 1000)
    (commands.home / "secret").write_text("00" * 32)
    answer = commands("decide", NUMBER, *OFFERS)
    assert answer.code == 2
    assert str(ledger) in answer.err
    assert ledger.read_bytes() == b"dear diary" * 1000


def test_a_ledger_of_another_secret_is_refused(commands: Commands) -> None:
    commands.json("revoke", NUMBER)
    (commands.home / "secret").write_text("11" * 32)
    answer = commands("revoke", NUMBER)
    assert (answer.code, "secret" in answer.err) == (2, True)


def test_a_ledger_whose_secret_is_gone_gets_no_new_one(commands: Commands) -> None:
    commands.json("revoke", NUMBER)
    (commands.home / "secret").unlink()
    answer = commands("revoke", NUMBER)
    assert (answer.code, "secret" in answer.err) == (2, True)
    assert not (commands.home / "secret").exists()


def test_a_data_folder_that_cannot_be_made_is_named(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    commands.environment.setenv("PREFLEDGER_HOME", str(tmp_path / "file" / "home"))
    answer = commands("revoke", NUMBER)
    assert answer.code == 3
    assert str(tmp_path / "file") in answer.err


def test_an_unknown_setting_is_named(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "prefledger.toml").write_text('hoem = "x"\n')
    answer = commands("settings")
    assert (answer.code, "hoem" in answer.err) == (2, True)


def test_a_full_disk_acknowledges_nothing_and_loses_nothing(commands: Commands) -> None:
    commands.json("revoke", NUMBER)
    limited = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "from consumers.cli.main import run\n"
        "sys.exit(run(['revoke', '+14165550124', '--evidence', 'x' * 200_000]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited], env=dict(os.environ), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3, done.stderr
    assert "room" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert commands.reason(NUMBER) == "revoked_by_number"
    assert commands.reason("+14165550124") == "no_consent"
    assert commands.json("replay")["differences"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "policy"), ('{"name": "x"}', "version"), ('{"name": "x", "colour": "red"}', "colour"), ("[]", "policy")],
)
def test_a_policy_that_cannot_be_meant_is_refused(commands: Commands, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(text)
    answer = commands("policy", "publish", str(file))
    assert answer.code == 2
    assert said in answer.err
    assert commands.json("policy", "show")["name"] == "default"
