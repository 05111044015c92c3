"""An erasure that a crash or a race cut short is finished: by the next command, or by whoever sweeps."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from consumers.bootstrap import open_ledger
from consumers.erasure import MARKS, STALE, is_erased, sweep
from consumers.opened import Ledger
from consumers.settings import load
from ledger.log import Entry
from ledger.requests import Erase, Revoke
from schemas.subject import Subject
from tests.consumers.commands import OFFERS, Commands

NUMBER, SISTER = "+14165550123", "+14165550124"
JEAN = Subject("number", NUMBER)
KILLED_BEFORE_THE_REMOVAL = """
import os, signal, sys
from ledger.adapters.sqlite_people import SqlitePeople
SqlitePeople.erase = lambda self, ref: os.kill(os.getpid(), signal.SIGKILL)
from consumers.cli.main import run
run(sys.argv[1:])
"""


def killed_while_erasing(commands: Commands, number: str) -> None:
    killed_while(commands, "erase", number, "--yes")


def killed_while(commands: Commands, *arguments: str) -> None:
    environment = {**os.environ, "PREFLEDGER_HOME": str(commands.home)}
    command = [sys.executable, "-c", KILLED_BEFORE_THE_REMOVAL, *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert done.returncode == -9, done


def is_kept(commands: Commands, subject: Subject) -> bool:
    """Asked of the store itself: opening the ledger would mend it."""
    from ledger.adapters.sqlite_people import SqlitePeople
    from ledger.reference import References

    references = References(bytes.fromhex((commands.home / "secret").read_text()))
    people = SqlitePeople(commands.home / "people.db", references.derived_key("people"))
    try:
        return people.identity(references.of_subject(subject)) is not None
    finally:
        people.close()


@pytest.mark.parametrize("next_command", [("status", SISTER), ("doctor",), ("erase", NUMBER, "--yes")])
def test_killed_between_event_and_removal_the_next_command_removes(
    commands: Commands, next_command: tuple[str, ...]
) -> None:
    commands.json("revoke", NUMBER, "--evidence", "this is Jean Tremblay")
    killed_while_erasing(commands, NUMBER)
    assert is_kept(commands, JEAN), "the crash came in between"
    assert commands(*next_command).code == 0
    assert not is_kept(commands, JEAN)
    assert list((commands.home / MARKS).iterdir()) == []
    assert commands.reason(NUMBER) == "revoked_by_number"


def test_where_the_machine_never_comes_back_the_doctor_of_another_removes(commands: Commands) -> None:
    commands.json("revoke", NUMBER)
    killed_while_erasing(commands, NUMBER)
    for mark in (commands.home / MARKS).iterdir():
        mark.unlink()
    assert commands("status", SISTER).code == 0
    assert is_kept(commands, JEAN), "no mark, so nobody but the doctor looks"
    assert any("1 identities were removed" in line["what"] for line in commands.lines("doctor"))
    assert not is_kept(commands, JEAN)


def test_a_restore_that_is_killed_brings_nobody_back(commands: Commands) -> None:
    commands.json("revoke", NUMBER, "--evidence", "this is Jean Tremblay")
    copy, later = commands.home.parent / "backup.tar", commands.home.parent / "later.db"
    commands.json("backup", str(copy))
    commands.json("erase", NUMBER, "--yes")
    (commands.home / "ledger.db").rename(later)
    shutil.rmtree(commands.home)
    restore = ("restore", str(copy), "--newer", str(later))
    killed_while(commands, *restore)
    assert not {path.name for path in commands.home.iterdir()} & {"ledger.db", "people.db", "secret"}
    assert commands.json(*restore)["erased_again"] == 2
    assert not is_kept(commands, JEAN)
    assert commands.reason(NUMBER) == "revoked_by_number"
    assert commands("doctor").code == 0


def test_a_mark_whose_event_is_still_to_come_is_left_alone_for_an_hour(commands: Commands) -> None:
    ref = commands.json("ref", NUMBER)["ref"]
    commands.json("revoke", NUMBER)
    (commands.home / MARKS).mkdir()
    mark = commands.home / MARKS / ref
    mark.touch()
    assert commands.json("reveal", NUMBER)["id"] == NUMBER
    assert mark.exists(), "another process may be about to record it"
    long_ago = time.time() - STALE - 60
    os.utime(mark, (long_ago, long_ago))
    assert commands.json("reveal", NUMBER)["id"] == NUMBER
    assert not mark.exists(), "nobody was told that it is erased"


@pytest.fixture
def ledger(commands: Commands) -> Ledger:
    commands.json("revoke", NUMBER)
    return open_ledger(load())


def test_what_an_import_keeps_in_the_middle_of_an_erasure_is_removed_with_the_rest(ledger: Ledger) -> None:
    with ledger:
        [draft] = ledger.recorder.drafts([Revoke(subject=JEAN, idempotency_key="row 1", evidence="from a list")])
        ledger.recorder.record(Erase(subject=JEAN))
        ledger.recorder.submit([draft])()
        ref = ledger.ref(JEAN)
        assert ledger.people.identity(ref) is not None, "the removal has not come yet"
        assert ledger.people.erase(ref) == 2
        assert ledger.people.identity(ref) is None


def test_what_an_import_keeps_that_knows_of_no_erasure_is_removed_by_the_sweeper(ledger: Ledger) -> None:
    with ledger:
        ref = ledger.ref(JEAN)
        ledger.people.forget(ref)  # as a store does that was put back from a copy: it does not remember the erasure
        ledger.recorder.record(Erase(subject=JEAN))
        ledger.recorder.record(Revoke(subject=JEAN, idempotency_key="row 1", evidence="from a list"))
        assert ledger.people.identity(ref) is not None
        assert sweep(ledger.log, ledger.people, time.time_ns() // 1_000_000) == 2
        ledger.recorder.record(Revoke(subject=JEAN, idempotency_key="row 2", evidence="from a list"))
        assert ledger.people.identity(ref) is None
        assert sweep(ledger.log, ledger.people, time.time_ns() // 1_000_000) == 0


def test_the_sweeper_leaves_who_said_yes_again_and_who_is_named_in_a_look_only(commands: Commands) -> None:
    commands.json("revoke", NUMBER)
    commands.json("erase", NUMBER, "--yes")
    commands.json("grant", NUMBER, *OFFERS, "--basis", "express", "--actor", "person")
    commands.json("reveal", NUMBER, "--actor", "agent:ada")
    with open_ledger(load()) as ledger:
        in_two_days = time.time_ns() // 1_000_000 + 2 * 86_400_000
        assert not is_erased(ledger.log, ledger.ref(JEAN))
        assert sweep(ledger.log, ledger.people, in_two_days) == 0
    assert commands.lines("looks", NUMBER)[0]["by"] == "agent:ada"


def test_what_is_no_event_hinders_no_erasure(commands: Commands, tmp_path: Path) -> None:
    commands.json("revoke", NUMBER)
    with open_ledger(load()) as ledger:
        ledger.log.append([Entry(ledger.ref(JEAN), b"not an event", "019aa000-0000-7000-8000-000000000001", "k", "c")])
    killed_while_erasing(commands, NUMBER)
    assert commands("status", SISTER).code == 0
    assert not is_kept(commands, JEAN)
