"""What a gateway decided is on record after a clean stop, also where the log was away to the last.

And no answer ever waits for that log, whatever keeps it.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NoReturn

import orjson
import pytest
from prometheus_client import generate_latest

from consumers.decisions.left_over import files, left
from consumers.decisions.logged import packed
from consumers.gate import Gate, ViewCopy
from consumers.gateway import Gateway, http, recording
from consumers.gateway.journal import SIZE, Journal
from consumers.gateway.metrics import registry
from consumers.gateway.ports import Ports
from consumers.gateway.recording import BATCH, Recorder, Whose
from consumers.gateway.ring import LOGGED, LOST, REFUSED, Ring
from ledger.errors import UnavailableError
from schemas.distributed import LoggedDecision
from schemas.errors import InputError
from stack.processes import wait_until
from tests.consumers.asking import NOW, NUMBER, REFERENCES, view_with

PROCESS = "019b0000-0000-7000-8000-000000000001"


class Log:
    """A log that takes so many batches, and is away after that."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.has: list[LoggedDecision] = []

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """Takes them, or not."""
        if not self.takes:
            raise UnavailableError("the log is away")
        self.takes -= 1
        self.has += decisions

    def close(self) -> None:
        """Nothing to let go of."""


class Away(Log):
    """A log that is away so many times first."""

    def __init__(self, times: int) -> None:
        super().__init__(takes=99)
        self._times = times

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """Takes them, later."""
        if self._times:
            self._times -= 1
            raise UnavailableError("the log is away")
        super().send(decisions)


class Picky(Log):
    """A log that does not take one of them."""

    def __init__(self, unwanted: str) -> None:
        super().__init__(takes=99)
        self._unwanted = unwanted

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """Takes all or none."""
        if any(one.decision_id == self._unwanted for one in decisions):
            raise InputError("a record is too large")
        super().send(decisions)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "LAST_S", 0.5)
    monkeypatch.setattr(recording, "RETRY_S", 0.05)


class Ended:
    """A gateway that has ended, with what it put into its ring; and what another process makes of it."""

    def __init__(self, left_over: Path | None, size: int = SIZE) -> None:
        self.ring, self.said = Ring(size), list[str]()
        self._whose = Whose(REFERENCES, "sms-1", PROCESS, False, left_over)

    def decided(self, many: int) -> list[str]:
        """So many decisions are put; their ids."""
        gate = Gate(ViewCopy(view_with()), REFERENCES)
        made = [gate.decide(NUMBER, channel="sms", purpose="marketing.offers", at=NOW + each) for each in range(many)]
        for one in made:
            self.ring.put(packed(one, None))
        return [one.decision_id for one in made]

    def recorded(self, log: Log) -> None:
        """The other process does what is left to do."""
        ended = threading.Event()
        ended.set()
        Recorder(self.ring, lambda: log, self._whose, self.said.append, ended).run()

    def counted(self) -> tuple[int, int, int]:
        """Logged, refused and lost."""
        counts = self.ring.counts
        return counts[LOGGED], counts[REFUSED], counts[LOST]


def test_what_the_log_did_not_take_before_the_end_is_logged_by_the_next_process(tmp_path: Path) -> None:
    path, log = tmp_path / "sms-1.snapshot.decisions", Log(takes=1)
    first = Ended(path)
    made = first.decided(1_200)  # three batches
    first.recorded(log)
    assert first.counted() == (500, 0, 0)
    [written] = files(path)
    assert first.said[-1] == f"700 decisions wait in {written} for the next process with this snapshot"
    assert NUMBER[1:] not in written.read_text()
    assert written.stat().st_mode & 0o077 == 0

    log.takes = 99
    second = Ended(path)
    made += second.decided(3)
    second.recorded(log)
    assert [one.decision_id for one in log.has] == made
    assert files(path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_was_only_slow_gets_them_all_the_same(tmp_path: Path) -> None:
    log = Away(times=3)
    slow = Ended(tmp_path / "left")
    made = slow.decided(2)
    slow.recorded(log)
    assert [one.decision_id for one in log.has] == made
    assert files(tmp_path / "left") == []


def test_what_was_left_twice_is_all_there_and_a_line_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    path, made = tmp_path / "left", []
    for _ in range(2):
        away = Ended(path)
        made += away.decided(2)
        away.recorded(Log(takes=0))
    assert len(files(path)) == 2
    of_an_earlier_version = Ended(tmp_path / "other")
    made = of_an_earlier_version.decided(1) + made
    of_an_earlier_version.recorded(Log(takes=0))
    [written] = files(tmp_path / "other")
    path.write_bytes(written.read_bytes() + b'{"decision_id":"019')
    log = Log(takes=99)
    Ended(path).recorded(log)
    assert [one.decision_id for one in log.has] == made


def test_a_file_that_cannot_be_read_stays_and_keeps_nothing_else_from_being_logged(tmp_path: Path) -> None:
    (tmp_path / "left").symlink_to("/proc/self/mem")  # it is a file, and gives nothing
    log, last = Log(takes=99), Ended(tmp_path / "left")
    made = last.decided(2)
    last.recorded(log)
    assert [one.decision_id for one in log.has] == made
    assert last.said[0].startswith(f"decisions of an earlier process stay in {tmp_path / 'left'}")


def test_where_nothing_can_be_left_the_loss_is_counted_and_said(tmp_path: Path) -> None:
    for nowhere in (tmp_path / "no" / "such" / "folder", None):
        away = Ended(nowhere)
        away.decided(4)
        away.recorded(Log(takes=0))
        assert away.counted() == (0, 0, 4)
        assert away.said[-1].startswith("4 decisions are lost")


def test_what_waited_already_is_not_lost_to_what_is_too_much(tmp_path: Path) -> None:
    full = Ended(tmp_path / "left", size=10_000)
    made = full.decided(100)
    log = Log(takes=99)
    full.recorded(log)
    logged, refused, lost = full.counted()
    assert logged > 20
    assert refused > 20
    assert (lost, logged + refused) == (0, 100)
    assert [one.decision_id for one in log.has] == made[:logged]


def test_one_that_the_log_does_not_take_keeps_none_of_the_others_away(tmp_path: Path) -> None:
    picky = Ended(tmp_path / "left")
    made = picky.decided(7)
    log = Picky(made[3])
    picky.recorded(log)
    assert [one.decision_id for one in log.has] == made[:3] + made[4:]
    assert picky.counted() == (6, 0, 1)
    assert picky.said == ["a decision is not logged (InputError): a record is too large"]


def test_one_of_which_no_record_can_be_made_keeps_none_of_the_others_away(tmp_path: Path) -> None:
    for takes in (99, 0):
        odd, log = Ended(tmp_path / "left"), Log(takes)
        made = odd.decided(2)
        odd.ring.put(b"no facts")
        made += odd.decided(2)
        odd.recorded(log)
        if not takes:
            [written] = files(tmp_path / "left")
            log.has = left(written)
        assert [one.decision_id for one in log.has] == made
        assert odd.counted() == (4 if takes else 0, 0, 1)
        assert odd.ring.is_empty


class Channel(StrEnum):
    """As a caller may have it."""

    SMS = "sms"


def test_an_answer_to_a_caller_with_an_enumeration_is_logged_as_any_other(tmp_path: Path) -> None:
    gate, log, ended = Gate(ViewCopy(view_with()), REFERENCES), Log(takes=1), Ended(tmp_path / "left")
    ended.ring.put(packed(gate.decide(NUMBER, channel=Channel.SMS, purpose="marketing.offers", at=NOW), None))
    ended.recorded(log)
    assert [one.channel for one in log.has] == ["sms"]


# --- with the processes that there are


@dataclass(frozen=True)
class InFile:
    """A log in a file, for several processes; it hangs as long as there is a file of that name beside it."""

    folder: Path

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """Appends them in one step."""
        (self.folder / "asked").touch()
        wait_until(lambda: not (self.folder / "hangs").exists(), 300, "the log takes something")
        with (self.folder / "log").open("ab", buffering=0) as file:
            file.write(b"".join(one.model_dump_json().encode() + b"\n" for one in decisions))

    def close(self) -> None:
        """Nothing to let go of."""

    def ids(self) -> list[str]:
        """Of what is in it."""
        return [one.decision_id for one in left(self.folder / "log")] if (self.folder / "log").exists() else []

    def __call__(self) -> "InFile":
        return self


def away() -> NoReturn:
    raise UnavailableError("the broker is away")


@contextmanager
def gateway_of(log: InFile) -> Iterator[Gateway]:
    """A gateway of which nothing else has a broker: it says no to everything, and that is to be on record too."""
    ports = Ports(feed=away, ends=away, receipts=away, appender=away, rejected=away, decisions=log)
    with Gateway("sms-1", ports, REFERENCES, log.folder / "sms-1.snapshot") as gateway:
        try:
            yield gateway
        finally:
            (log.folder / "hangs").unlink(missing_ok=True)


def ask(gateway: Gateway, times: int) -> list[str]:
    """The ids of so many decisions."""
    return [gateway.decide(NUMBER, channel="sms", purpose="marketing.offers", at=NOW).decision_id for _ in range(times)]


def test_answers_are_given_while_the_log_hangs_and_are_on_record_when_it_goes_on(tmp_path: Path) -> None:
    log, made = InFile(tmp_path), list[str]()
    (tmp_path / "hangs").touch()
    with gateway_of(log) as gateway:
        made += ask(gateway, 1)
        wait_until((tmp_path / "asked").exists, 30, "the log is asked")
        asking = threading.Thread(target=lambda: made.extend(ask(gateway, 3 * BATCH)), daemon=True)
        asking.start()
        asking.join(60)  # forever, if an answer waited for its record
        assert not asking.is_alive()
        assert (len(made), log.ids()) == (1 + 3 * BATCH, [])
    assert log.ids() == made


def test_what_is_too_much_to_wait_is_dropped_and_counted_where_a_machine_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.gateway.gateway.Journal", partial(Journal, size=200_000))
    log = InFile(tmp_path)
    (tmp_path / "hangs").touch()
    with gateway_of(log) as gateway:
        assert gateway.journal
        while not gateway.journal.facts()["decisions_dropped"]:
            ask(gateway, 1_000)
        counted = gateway.journal.facts()["decisions_dropped"]
        late = [gateway.decide(NUMBER, channel="sms", purpose="marketing.offers", at=NOW) for _ in range(7)]
        assert {one.reason for one in late} == {"stale"}, "they were answered as every other"
        said = generate_latest(registry(gateway))
        assert f"\nprefledger_gateway_decisions_dropped_total {counted + 7:.1f}\n".encode() in said


def test_a_process_that_logs_and_is_killed_takes_nothing_along(tmp_path: Path) -> None:
    log = InFile(tmp_path)
    (tmp_path / "hangs").touch()
    with gateway_of(log) as gateway:
        made = ask(gateway, 700)
        wait_until((tmp_path / "asked").exists, 30, "the log is asked")
        assert gateway.journal
        assert gateway.journal.pid
        os.kill(gateway.journal.pid, signal.SIGKILL)
        made += ask(gateway, 10)
        (tmp_path / "hangs").unlink()
        wait_until(lambda: len(log.ids()) >= len(made), 30, "all are logged")
    assert log.ids() == made


def test_one_that_is_killed_while_nothing_waits_is_started_again_with_the_next_decision(tmp_path: Path) -> None:
    log = InFile(tmp_path)
    with gateway_of(log) as gateway:
        made = ask(gateway, 1)
        wait_until(lambda: log.ids() == made, 30, "it is logged")
        assert gateway.journal
        assert gateway.journal.pid
        os.kill(gateway.journal.pid, signal.SIGKILL)
        gateway.running.wait(1.0)
        made += ask(gateway, 1)
        wait_until(lambda: log.ids() == made, 30, "the next is logged as well")


def test_a_question_on_whose_answer_nothing_is_sent_is_not_on_record(tmp_path: Path) -> None:
    log = InFile(tmp_path)
    with gateway_of(log) as gateway:
        question = {"contact": NUMBER, "channel": "sms", "purpose": "marketing.offers"}
        sent, unsent = (
            orjson.loads(asyncio.run(http._answered(gateway, orjson.dumps(said))).body)
            for said in (question, question | {"log": False})
        )
        assert sent["reason"] == unsent["reason"] == "stale"
    assert log.ids() == [sent["decision_id"]]


def test_what_is_decided_after_the_end_is_counted(tmp_path: Path) -> None:
    log = InFile(tmp_path)
    with gateway_of(log) as gateway:
        made = ask(gateway, 2)
    ask(gateway, 3)
    assert gateway.journal
    assert gateway.journal.facts() == {"decisions_logged": 2, "decisions_dropped": 3}
    assert log.ids() == made


def test_what_a_gateway_that_never_began_was_asked_is_left_for_the_next(tmp_path: Path) -> None:
    ports = Ports(feed=away, ends=away, receipts=away, appender=away, rejected=away, decisions=InFile(tmp_path))
    gateway = Gateway("sms-1", ports, REFERENCES, tmp_path / "sms-1.snapshot")
    made = ask(gateway, 2)
    gateway.stop()
    [written] = files(tmp_path / "sms-1.snapshot.decisions")
    assert [one.decision_id for one in left(written)] == made


def test_where_the_other_process_cannot_be_told_what_to_do_it_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    said: list[str] = []
    journal = Journal(lambda: Log(takes=99), REFERENCES, "sms-1", PROCESS, False, said.append, tmp_path / "left")
    gate = Gate(ViewCopy(view_with()), REFERENCES)
    journal.put(gate.decide(NUMBER, channel="sms", purpose="marketing.offers", at=NOW))
    journal.start()
    wait_until(lambda: any("pickle" in one for one in said), 30, "it is said")
    journal.stop()
    assert len(left(*files(tmp_path / "left"))) == 1


def test_a_gateway_that_is_killed_has_logged_all_that_it_answered(tmp_path: Path) -> None:
    log = InFile(tmp_path)
    (tmp_path / "hangs").touch()
    code = f"from {__name__} import *; decide_and_die(Path({str(tmp_path)!r}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (tmp_path / "hangs").unlink()
    made = (tmp_path / "answered").read_text().split()
    assert len(made) == 700
    wait_until(lambda: len(log.ids()) >= len(made), 30, "all are logged")
    assert log.ids() == made


def decide_and_die(folder: Path) -> None:
    """What the process of that test does."""
    with gateway_of(InFile(folder)) as gateway:
        (folder / "answered").write_text("\n".join(ask(gateway, 700)))
        wait_until((folder / "asked").exists, 30, "the log is asked")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_gateway_that_logs_nothing_has_no_process_for_it(tmp_path: Path) -> None:
    with gateway_of(InFile(tmp_path)) as gateway:
        assert gateway.journal
        assert not gateway.running.wait(0.3)
        assert gateway.journal.pid is None
