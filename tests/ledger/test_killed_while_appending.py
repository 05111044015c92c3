"""kill -9 at any moment: what was acknowledged is there, nothing is there twice, the ledger opens again."""

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from ledger.adapters.sqlite_log import SqliteLog
from ledger.log import Appended, Duplicate
from tests.ledger.worker import begin, new_entry, started

ROUNDS = 20
CREATIONS = 12


def acknowledged(path: Path) -> set[str]:
    """The event ids of whole lines: the kill may have cut the last of each file."""
    files = path.parent.glob("ledger.db.*.acknowledged")
    return {event_id for file in files for event_id in file.read_text().split("\n")[:-1]}


def test_everything_acknowledged_before_a_kill_is_there_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    chance = random.Random()
    stored = 0
    for _round in range(ROUNDS):
        with started("acknowledge", path) as process:
            begin(process)
            time.sleep(chance.uniform(0, 0.12))
            process.send_signal(signal.SIGKILL)
            process.wait()
        log = SqliteLog(path)
        (outcome,) = log.append([new_entry()])
        assert isinstance(outcome, Appended)
        assert outcome.position.offset >= stored
        stored = log.ends()[0]
        log.close()
    assert len(acknowledged(path)) > 300
    assert_sound(path)


def test_a_ledger_that_others_have_open_survives_the_kill_of_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    log = SqliteLog(path)
    mine = []
    for _round in range(5):
        with started("acknowledge", path) as process, started("acknowledge", path) as other:
            begin(process)
            begin(other)
            time.sleep(0.1)
            process.kill()
            mine += [new_entry(), new_entry()]
            assert isinstance(log.append(mine[-2:])[0], Appended)
            other.kill()
            assert isinstance(log.append([new_entry()])[0], Appended)
    assert all(log.find(one.event_id) for one in mine)
    log.close()
    assert_sound(path)


def assert_sound(path: Path) -> None:
    log = SqliteLog(path)
    recorded = list(log.read(0))
    assert [one.position.offset for one in recorded] == list(range(len(recorded)))
    missing = [event_id for event_id in acknowledged(path) if log.find(event_id) is None]
    assert missing == []
    log.close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    # The indexes were written in the same transactions: one line each for every entry, none twice.
    for table in ("log", "event_index", "subject_index"):
        assert db.execute(f"SELECT count(DISTINCT offset), count(*) FROM {table}").fetchone() == (len(recorded),) * 2
    db.close()


def test_a_kill_while_the_ledger_is_made_leaves_a_whole_one_or_none(tmp_path: Path) -> None:
    chance = random.Random()
    whole = 0
    for number in range(CREATIONS):
        path = tmp_path / str(number) / "ledger.db"
        path.parent.mkdir()
        with started("create", path) as process, started("create", path) as other:
            begin(process)
            begin(other)
            time.sleep(chance.uniform(0, 0.04))
            process.kill()
            other.kill()
            out = process.communicate()[0] + other.communicate()[0]
        whole += path.exists()
        log = SqliteLog(path)
        assert all(log.find(event_id) for event_id in out.split())
        assert isinstance(log.append([new_entry()])[0], Appended)
        log.close()
        assert sorted(os.listdir(path.parent)) == ["ledger.db", "ledger.db.lock", "ledger.db.turn"]
    assert whole > 0


@pytest.mark.parametrize("cut", [1, 100, 4_095])
def test_a_wal_that_was_cut_short_loses_only_what_its_end_held(tmp_path: Path, cut: int) -> None:
    # As a power failure may leave it: the last write is torn. Its commit had not returned.
    path = tmp_path / "ledger.db"
    log = SqliteLog(path)
    kept, torn = new_entry(), new_entry()
    log.append([kept])
    log.append([torn])
    copy = tmp_path / "after" / "ledger.db"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    wal = path.with_name("ledger.db-wal").read_bytes()
    copy.with_name("ledger.db-wal").write_bytes(wal[:-cut])
    log.close()
    again = SqliteLog(copy)
    assert again.find(kept.event_id) is not None
    assert again.find(torn.event_id) is None
    assert isinstance(again.append([torn])[0], Appended)
    assert isinstance(again.append([kept])[0], Duplicate)
    again.close()
