"""Several processes have one ledger open: nobody fails on a lock, nothing is lost or stored twice, nobody starves."""

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from ledger.adapters.group_commit import BATCH
from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.adapters.turnstile import Turnstile
from ledger.errors import UnavailableError
from ledger.log import Appended
from ledger.people import Identity
from tests.ledger.worker import begin, finish, new_entry, started

PROCESSES = 8
CALLS = 40
SHARED = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_eight_processes_make_one_ledger_and_nothing_is_lost_or_stored_twice(path: Path) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(started("append", path, CALLS, SHARED)) for _process in range(PROCESSES)]
        for process in processes:
            begin(process)
        said = [line.split() for process in processes for line in finish(process)]
    log = SqliteLog(path)
    stored = list(log.read(0))
    mine = [what for kind, what in said if kind == "mine"]
    assert len(mine) == len(set(mine)) == PROCESSES * CALLS
    assert all(log.find(event_id) for event_id in mine)
    assert sorted(what for kind, what in said if kind == "Appended") == sorted(map(str, range(SHARED)))
    assert sum(kind == "Duplicate" for kind, _what in said) == SHARED * (PROCESSES - 1)
    assert len(stored) == PROCESSES * CALLS + SHARED
    assert [recorded.position.offset for recorded in stored] == list(range(len(stored)))
    times = [recorded.recorded_at for recorded in stored]
    assert times == sorted(times)
    log.close()


@pytest.mark.parametrize("bulk_writers", [1, 3])
def test_writers_that_commit_back_to_back_do_not_starve_a_single_opt_out(path: Path, bulk_writers: int) -> None:
    log = SqliteLog(path)
    waited = []
    with ExitStack() as stack:
        others = [stack.enter_context(started("bulk", path)) for _writer in range(bulk_writers)]
        for process in others:
            begin(process)
        while log.ends()[0] < 5_000:
            time.sleep(0.01)
        for _call in range(25):
            before = log.ends()[0]
            (outcome,) = log.append([new_entry()])
            assert isinstance(outcome, Appended)
            waited.append((outcome.position.offset - before) / BATCH)
        after = log.ends()[0]
        for process in others:
            begin(process)
            finish(process)
    # In commits that went first: what is under way, and one of each writer before it in the queue; the kernel's queue
    # is not strict, so with some to spare. The median, because a process that the kernel does not run for a while
    # before it can queue says nothing about the queue; that nobody waits for ever, every append above has shown.
    assert median(waited) <= 2 * (bulk_writers + 1), waited
    assert log.ends()[0] >= after > 5_000
    log.close()


@pytest.mark.parametrize("others", [1, 4])
def test_who_leaves_the_turnstile_and_comes_back_at_once_goes_to_the_end_of_the_queue(path: Path, others: int) -> None:
    path.touch()
    turnstile = Turnstile(path, patience=60)
    waited = []
    with ExitStack() as stack:
        processes = [stack.enter_context(started("relentless", path)) for _other in range(others)]
        for process in processes:
            begin(process)
        while path.stat().st_size < 20:
            time.sleep(0.01)
        for _call in range(30):
            before = path.stat().st_size
            with turnstile.held():
                waited.append(path.stat().st_size - before)
            time.sleep(0.003)
        for process in processes:
            begin(process)
            finish(process)
    turnstile.close()
    # In turns of others. Without the first of the two locks it was 67 on average, of a single other. The median,
    # because a waiter that the kernel does not run for a while before it can queue says nothing about the queue.
    assert median(waited) <= 2 * (others + 1), waited


def test_who_waits_for_a_stopped_process_is_told_which(path: Path) -> None:
    log = SqliteLog(path, patience=0.3)
    with started("hold", path) as process:
        begin(process)
        os.kill(process.pid, signal.SIGSTOP)
        one = new_entry()
        with pytest.raises(UnavailableError, match=f"process {process.pid} "):
            log.append([one])
        assert log.find(one.event_id) is None
    assert isinstance(log.append([one])[0], Appended)
    log.close()


def test_what_one_process_keeps_another_can_erase(tmp_path: Path) -> None:
    path = tmp_path / "people.db"
    one = Identity("ab" * 16, "number", "+14165550123")
    people = SqlitePeople(path, bytes(32))
    people.keep([one])
    with started("erase", path, one.ref) as process:
        begin(process)
        assert finish(process) == ["1"]
    people.keep([one])
    assert people.identity(one.ref) is None
    people.close()
