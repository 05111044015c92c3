"""What a gateway decided is on record after a clean stop, also where the log was away to the last."""

from collections.abc import Sequence
from pathlib import Path

from consumers.gate import Gate, ViewCopy
from consumers.gateway.journal import Journal
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


def journal(log: Log, left_over: Path | None, said: list[str]) -> Journal:
    return Journal(lambda: log, REFERENCES, "sms-1", PROCESS, False, said.append, left_over=left_over)


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
