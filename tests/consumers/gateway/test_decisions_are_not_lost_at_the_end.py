"""What a gateway decided is on record after a clean stop, also where the log was away to the last.

And no answer ever waits for that log, whatever keeps it.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from prometheus_client import generate_latest

from consumers.gate import Gate, ViewCopy
from consumers.gateway import Gateway
from consumers.gateway.journal import BATCH, MOST, Journal
from consumers.gateway.metrics import registry
from consumers.gateway.ports import Ports
from ledger.errors import UnavailableError
from schemas.distributed import LoggedDecision
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


def journal(log: Log, left_over: Path | None, said: list[str], most: int = MOST) -> Journal:
    return Journal(lambda: log, REFERENCES, "sms-1", PROCESS, False, said.append, most, left_over)


def decided(journal: Journal, many: int) -> list[str]:
    gate = Gate(ViewCopy(view_with()), REFERENCES)
    made = [gate.decide(NUMBER, channel="sms", purpose="marketing.offers", at=NOW + number) for number in range(many)]
    for one in made:
        journal.put(one)
    return [one.decision_id for one in made]


def test_what_the_log_did_not_take_before_the_end_is_logged_by_the_next_process(tmp_path: Path) -> None:
    path, said = tmp_path / "sms-1.snapshot.decisions", list[str]()
    log = Log(takes=1)
    first = journal(log, path, said)
    made = decided(first, 1_200)  # three batches
    first.stop()
    first.run()
    assert (first.logged, first.dropped) == (500, 0)
    assert said[-1] == f"700 decisions wait in {path} for the next process with this snapshot"
    assert NUMBER[1:] not in path.read_text()

    log.takes = 99
    second = journal(log, path, said)
    made += decided(second, 3)
    second.stop()
    second.run()
    assert [one.decision_id for one in log.has] == made
    assert not path.exists()


def test_what_was_left_twice_is_all_there_and_a_line_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "left"
    made = []
    for _ in range(2):
        away = journal(Log(takes=0), path, [])
        made += decided(away, 2)
        away.stop()
        away.run()
    path.write_bytes(path.read_bytes() + b'{"decision_id":"019')
    log = Log(takes=99)
    last = journal(log, path, [])
    last.stop()
    last.run()
    assert [one.decision_id for one in log.has] == made


def test_a_file_that_cannot_be_read_stays_and_keeps_nothing_else_from_being_logged(tmp_path: Path) -> None:
    said: list[str] = []
    log = Log(takes=99)
    last = journal(log, tmp_path, said)  # a folder
    made = decided(last, 2)
    last.stop()
    last.run()
    assert [one.decision_id for one in log.has] == made
    assert said[0].startswith("decisions of an earlier process stay in")


def test_where_nothing_can_be_left_the_loss_is_counted_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    away = journal(Log(takes=0), tmp_path / "no" / "such" / "folder", said)
    decided(away, 4)
    away.stop()
    away.run()
    assert away.dropped == 4
    assert said[-1].startswith("4 decisions are lost")


class Hanging(Log):
    """A log that takes a batch and says nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__(takes=1_000)
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """Takes them in the end."""
        self.asked.set()
        self.let_go.wait()
        super().send(decisions)


def away() -> NoReturn:
    raise UnavailableError("the broker is away")


@contextmanager
def gateway_of(log: Hanging, folder: Path) -> Iterator[Gateway]:
    """A gateway of which nothing else has a broker: it says no to everything, and that is to be on record too."""
    ports = Ports(feed=away, ends=away, receipts=away, appender=away, rejected=away, decisions=lambda: log)
    with Gateway("sms-1", ports, REFERENCES, folder / "sms-1.snapshot") as gateway:
        try:
            yield gateway
        finally:
            log.let_go.set()


def test_answers_are_given_while_the_log_hangs_and_are_on_record_when_it_goes_on(tmp_path: Path) -> None:
    log, made = Hanging(), list[str]()

    def ask(times: int) -> None:
        for _ in range(times):
            made.append(gateway.decide(NUMBER, channel="sms", purpose="marketing.offers", at=NOW).decision_id)

    with gateway_of(log, tmp_path) as gateway:
        ask(1)
        assert log.asked.wait(30)
        asking = threading.Thread(target=ask, args=(3 * BATCH,), daemon=True)
        asking.start()
        asking.join(60)  # forever, if an answer waited for its record
        assert not asking.is_alive()
        assert (len(made), log.has) == (1 + 3 * BATCH, [])
    assert [one.decision_id for one in log.has] == made


def test_what_is_too_much_to_wait_is_dropped_and_counted_where_a_machine_is_watched(tmp_path: Path) -> None:
    log = Hanging()
    with gateway_of(log, tmp_path) as gateway:
        assert gateway.journal
        first = gateway.decide(NUMBER, channel="sms", purpose="marketing.offers", at=NOW)
        assert log.asked.wait(30)
        for _ in range(MOST - 1):
            gateway.journal.put(first)
        assert gateway.journal.dropped == 0
        late = [gateway.decide(NUMBER, channel="sms", purpose="marketing.offers", at=NOW) for _ in range(7)]
        assert {one.reason for one in late} == {"stale"}, "they were answered as every other"
        assert b"\nprefledger_gateway_decisions_dropped_total 7.0\n" in generate_latest(registry(gateway))


def test_what_waited_already_is_not_lost_to_what_is_too_much(tmp_path: Path) -> None:
    log = Log(takes=99)
    full = journal(log, tmp_path / "left", [], most=10)
    made = decided(full, 14)
    assert full.facts() == {"decisions_logged": 0, "decisions_dropped": 4}
    full.stop()
    full.run()
    assert [one.decision_id for one in log.has] == made[:10]
    assert full.facts() == {"decisions_logged": 10, "decisions_dropped": 4}
