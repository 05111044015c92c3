"""The decision log of one machine keeps to the contract; and what a file promises besides."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.sqlite_decisions import SqliteDecisions
from ledger.errors import NotALedgerError
from tests.contracts.decisions import DecisionsContract, decision, must_be_unreadable, ref


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.db"


@pytest.fixture
def decisions(path: Path) -> Iterator[SqliteDecisions]:
    with closing(SqliteDecisions(path)) as decisions:
        yield decisions


class TestSqliteDecisions(DecisionsContract):
    @pytest.fixture
    def decisions(self, path: Path) -> Iterator[SqliteDecisions]:
        with closing(SqliteDecisions(path)) as decisions:
            yield decisions


def test_a_decision_that_is_sent_again_counts_once_and_stays_as_it_was(decisions: SqliteDecisions) -> None:
    one = decision()
    decisions.send([one])
    decisions.send([one.model_copy(update={"allowed": True, "reason": "granted"}), one])
    assert [stored.read() for stored in decisions.scan()] == [one]


def test_what_was_decided_cannot_be_changed_behind_the_logs_back(decisions: SqliteDecisions, path: Path) -> None:
    decisions.send([decision()])
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError, match="cannot be changed"):
        db.execute("UPDATE decisions SET value = '{}'")


def test_a_clock_that_steps_back_leaves_every_scan_whole(path: Path) -> None:
    times = iter([5_000, 1_000, 6_000])
    with closing(SqliteDecisions(path, clock=lambda: next(times))) as decisions:
        for _ in range(3):
            decisions.send([decision()])
        assert [one.logged_at for one in decisions.scan()] == [5_000, 5_000, 6_000]
        assert len(list(decisions.scan(5_000, 6_000))) == 2
        assert len(list(decisions.scan(5_001))) == 1


def test_what_is_no_decision_says_so_when_it_is_read(decisions: SqliteDecisions, path: Path) -> None:
    decisions.send([decision()])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO decisions VALUES (2, x'00', ?, 9999999999999, '{\"allowed\": 7}')", (bytes(16),))
    must_be_unreadable(decisions)


def test_more_decisions_than_a_page_are_all_read(decisions: SqliteDecisions) -> None:
    of = ref()
    many = [decision(of) for _ in range(20_001)]
    decisions.send(many)
    assert sum(1 for _ in decisions.scan()) == 20_001
    assert [one.read().decision_id for one in decisions.of_subject(of)] == [one.decision_id for one in many]


def test_two_processes_may_have_it_open(decisions: SqliteDecisions, path: Path) -> None:
    with closing(SqliteDecisions(path)) as other:
        one, two = decision(), decision()
        decisions.send([one])
        other.send([two])
        assert [stored.read() for stored in decisions.scan()] == [one, two]


def test_a_file_that_is_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a decision log, but long enough to look like a file of some other program")
    with pytest.raises(NotALedgerError, match="decision log"):
        SqliteDecisions(file)
    assert file.read_text().startswith("not a decision log")
