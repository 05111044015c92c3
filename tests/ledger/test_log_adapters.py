"""Every log keeps to the contract; and what the SQLite log promises besides."""

import asyncio
import os
import sqlite3
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.memory_log import MemoryLog
from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.errors import UnavailableError
from ledger.log import Appended, Entry, Log
from schemas.errors import InputError
from tests.contracts.log import LogContract, appended, entry, everything, kinds, ref, run_together, values


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> Log:
        return MemoryLog()


class TestMemoryLogOfSevenPartitions(LogContract):
    @pytest.fixture
    def log(self) -> Log:
        return MemoryLog(partitions=7)

    def test_one_call_may_span_partitions(self, log: Log) -> None:
        outcomes = appended(log, *(entry() for _entry in range(100)))
        assert len({outcome.position.partition for outcome in outcomes}) == 7


class TestSqliteLog(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        log = SqliteLog(tmp_path / "ledger.db")
        yield log
        log.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(path)
    yield log
    log.close()


def test_offsets_of_a_sqlite_log_have_no_gaps(log: SqliteLog) -> None:
    first = entry()
    for _call in range(10):
        log.append([entry(), first, entry(first.key, first.claim), entry()])
    assert [recorded.position for recorded in log.read(0)] == [(0, offset) for offset in range(21)]
    assert log.ends() == {0: 21}


def test_what_was_appended_is_there_when_the_file_is_opened_again(log: SqliteLog, path: Path) -> None:
    one = entry()
    appended(log, one)
    log.close()
    again = SqliteLog(path)
    assert kinds(again.append([one])) == ["Duplicate"]
    assert values(again.read(0)) == [one.value]
    again.close()


def test_closing_leaves_one_data_file_that_may_be_copied(log: SqliteLog, path: Path) -> None:
    appended(log, entry())
    log.close()
    assert sorted(os.listdir(path.parent)) == ["ledger.db", "ledger.db.lock", "ledger.db.turn"]


def test_two_of_one_process_may_have_the_same_file_open(log: SqliteLog, path: Path) -> None:
    other = SqliteLog(path)
    try:
        run_together([lambda mine=mine: [appended(mine, entry()) for _call in range(50)] for mine in (log, other)])
        assert log.ends() == other.ends() == {0: 100}
    finally:
        other.close()


def test_a_link_to_the_file_is_the_same_ledger(log: SqliteLog, path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    other = SqliteLog(link)
    appended(other, entry())
    other.close()
    assert log.ends() == {0: 1}
    assert not path.with_name("link.db.turn").exists()


def test_a_clock_that_steps_back_does_not_take_the_log_with_it(path: Path) -> None:
    times = iter([1_000, 2_000, 1_500, 2_500])
    log = SqliteLog(path, clock=lambda: next(times))
    recorded = [appended(log, entry())[0].recorded_at for _call in range(3)]
    log.close()
    log = SqliteLog(path, clock=lambda: 7)
    recorded += [appended(log, entry())[0].recorded_at]
    log.close()
    assert recorded == [1_000, 2_000, 2_000, 2_000]


def test_the_memory_logs_clock_does_not_run_backwards_either() -> None:
    times = iter([1_000, 500])
    log = MemoryLog(clock=lambda: next(times))
    assert [appended(log, entry())[0].recorded_at for _call in range(2)] == [1_000, 1_000]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_an_event_id_cannot_be_used_for_two_events_and_the_whole_call_is_refused(kind: str, path: Path) -> None:
    log: Log = MemoryLog() if kind == "memory" else SqliteLog(path)
    first = entry()
    appended(log, first)
    with pytest.raises(ValueError, match="event id"):
        log.append([entry(), Entry(ref(), b"", first.event_id, ref(), ref())])
    assert len(everything(log)) == 1
    log.close()


def test_a_request_that_fails_takes_no_other_with_it(log: SqliteLog) -> None:
    first = entry()
    appended(log, first)
    bad = Entry(ref(), b"", first.event_id, ref(), ref())
    hold = threading.Event()
    log._clock = lambda: int(hold.wait(10))  # the first batch waits until the others are queued behind it
    futures = [log.submit([entry()])]
    futures += [log.submit([entry(), bad] if number == 5 else [entry(), entry()]) for number in range(10)]
    hold.set()
    failed = [number for number, future in enumerate(futures) if future.exception(30)]
    assert failed == [6]
    assert log.ends() == {0: 1 + 1 + 18}


def test_a_request_larger_than_a_batch_is_atomic_all_the_same(log: SqliteLog) -> None:
    first = entry()
    appended(log, first)
    with pytest.raises(ValueError, match="event id"):
        log.append([*(entry() for _entry in range(5_000)), Entry(ref(), b"", first.event_id, ref(), ref())])
    assert log.ends() == {0: 1}
    assert len(appended(log, *(entry() for _entry in range(5_000)))) == 5_000


def test_a_request_that_was_cancelled_before_its_turn_is_not_stored(log: SqliteLog) -> None:
    hold = threading.Event()
    log._clock = lambda: int(hold.wait(10))
    running = log.submit([entry()])
    while not running.running():
        pass
    waiting = log.submit([entry()])
    assert waiting.cancel()
    assert not running.cancel()
    hold.set()
    assert isinstance(running.result(10)[0], Appended)
    log.close()
    assert waiting.cancelled()


def test_a_commit_waits_for_the_disk(log: SqliteLog, path: Path) -> None:
    people = SqlitePeople(path.with_name("people.db"), bytes(32))
    for file in (log._file, people._file):
        assert file._writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: fsync at every commit
        assert file._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert people._file._writer.execute("PRAGMA secure_delete").fetchone() == (1,)
    people.close()


def test_closing_waits_for_what_was_submitted(log: SqliteLog, path: Path) -> None:
    futures = [log.submit([entry() for _entry in range(10)]) for _call in range(200)]
    log.close()
    assert all(future.done() for future in futures)
    again = SqliteLog(path)
    assert again.ends() == {0: 2_000}
    again.close()


def test_a_closed_log_takes_nothing_and_says_so(log: SqliteLog, path: Path) -> None:
    log.close()
    with pytest.raises(UnavailableError, match="is closed"):
        log.append([entry()])
    with pytest.raises(UnavailableError, match="is closed"):
        log.ends()

    async def later() -> None:
        await log.append_async([entry()])

    with pytest.raises(UnavailableError, match="is closed"):
        asyncio.run(later())


def test_a_loop_that_ends_early_does_not_harm_the_others(log: SqliteLog) -> None:
    one = entry()

    async def leaves() -> None:
        log.append_async([one])

    asyncio.run(leaves())
    assert kinds(log.append([one])) == ["Duplicate"]


def test_reading_keeps_little_in_memory(log: SqliteLog) -> None:
    for _call in range(10):
        appended(log, *(entry(value=os.urandom(500)) for _entry in range(3_000)))
    tracemalloc.start()
    try:
        assert sum(1 for _recorded in log.read(0)) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_reader_that_stopped_half_way_does_not_let_the_wal_grow(log: SqliteLog, path: Path) -> None:
    appended(log, *(entry() for _entry in range(5_000)))
    half = log.read(0)
    next(half)
    for _call in range(30):
        appended(log, *(entry(value=bytes(2_000)) for _entry in range(1_000)))
    assert path.with_name("ledger.db-wal").stat().st_size < 48_000_000
    assert sum(1 for _recorded in half) == 4_999


def test_a_thread_that_computes_does_not_hold_up_a_batch(log: SqliteLog) -> None:
    # Each step of a statement may cost the 5 ms until a computing thread lets go of the interpreter: a statement for
    # each row and index would make it more than five seconds.
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            pass

    computing = threading.Thread(target=compute)
    computing.start()
    try:
        started = time.monotonic()
        appended(log, *(entry() for _entry in range(256)))
        assert time.monotonic() - started < 2.5
    finally:
        stop.set()
        computing.join()


def test_a_backup_is_a_ledger_of_one_moment(log: SqliteLog, path: Path) -> None:
    stop = threading.Event()
    target = path.with_name("backup.db")

    def append() -> None:
        while not stop.is_set():
            appended(log, entry(), entry())

    def back_up() -> None:
        try:
            log.backup_to(target)
        finally:
            stop.set()

    appended(log, *(entry() for _entry in range(20_000)))
    run_together([append, back_up])
    copy = SqliteLog(target)
    end = copy.ends()[0]
    assert end >= 20_000
    assert end % 2 == 0
    assert list(copy.read(0)) == list(log.read(0, 0, end))
    appended(copy, entry())
    copy.close()
    assert not [name for name in os.listdir(path.parent) if ".part" in name]


def test_a_backup_replaces_nothing(log: SqliteLog, path: Path) -> None:
    target = path.with_name("other")
    target.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        log.backup_to(target)
    assert target.read_bytes() == b"mine"


def test_who_keeps_the_file_locked_from_outside_is_to_be_closed(path: Path) -> None:
    log = SqliteLog(path, patience=0.2)
    foreign = sqlite3.connect(path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    one = entry()
    with pytest.raises(UnavailableError, match="locked by another program"):
        log.append([one])
    foreign.execute("ROLLBACK")
    foreign.close()
    assert kinds(log.append([one])) == ["Appended"]
    log.close()
