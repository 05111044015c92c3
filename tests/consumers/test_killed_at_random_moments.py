"""`kill -9` during `revoke` and `import`, again and again: what was acknowledged is there, once, with its identity."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from consumers.bootstrap import open_ledger
from consumers.history_scan import every_event
from consumers.settings import Settings
from schemas.events import PreferenceRevoked

ROUNDS = 50
ROWS = 20_000
REVOKING = """
import sys
from consumers.bootstrap import open_ledger
from consumers.settings import load
from ledger.requests import Revoke
from schemas.subject import parse_subject
start = int(sys.argv[1])
with open_ledger(load()) as ledger:
    for number in range(start, start + 100_000):
        key = f"call-{number}"
        receipt = ledger.recorder.record(Revoke(subject=parse_subject(f"+1416{number:07d}"), idempotency_key=key))
        print(number, receipt.event_id, flush=True)
"""


def started(home: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command], env=os.environ | {"PREFLEDGER_HOME": str(home)}, stdout=subprocess.PIPE
    )


def killed_after(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    return out


def rows_in(home: Path) -> int:
    """How many entries the log has by now, as any other program would count them."""
    if not (home / "ledger.db").exists():
        return 0
    with sqlite3.connect(home / "ledger.db") as db:
        return int(db.execute("SELECT count(*) FROM log").fetchone()[0])


def recorded(home: Path) -> tuple[Counter[str], dict[str, str], set[str]]:
    """How often each subject was opted out, the subject of each event, and the references that have an identity."""
    with open_ledger(Settings(home=home)) as ledger:
        revocations = [event for _, event in every_event(ledger.log) if isinstance(event, PreferenceRevoked)]
        known = set(ledger.people.all_refs())
    return Counter(e.subject for e in revocations), {e.event_id: e.subject for e in revocations}, known


def test_every_acknowledged_revocation_is_there_once_with_its_identity(tmp_path: Path) -> None:
    home, rng, acknowledged = tmp_path / "home", random.Random(5), list[tuple[int, str]]()
    for round_ in range(ROUNDS):
        out = killed_after(started(home, "-c", REVOKING, str(2_000_000 + round_ * 100_000)), rng.uniform(0.4, 1.2))
        whole = [line for line in out.decode().splitlines(keepends=True) if line.endswith("\n")]
        acknowledged += [(int(number), event_id) for number, event_id in map(str.split, whole)]
    counted, events, known = recorded(home)
    assert len(acknowledged) > ROUNDS
    assert all(event_id in events for _, event_id in acknowledged)
    assert set(counted.values()) == {1}
    assert set(counted) <= known


def killed_while_it_records(process: subprocess.Popen[bytes], home: Path, rng: random.Random) -> bool:
    """Waits until the log grows, a moment longer, and kills; whether it was still at work."""
    before = rows_in(home)
    while process.poll() is None and rows_in(home) == before:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.2))
    process.kill()
    process.communicate(timeout=30)
    return process.returncode == -signal.SIGKILL


@pytest.mark.timeout(900)
def test_an_import_killed_again_and_again_records_every_row_once(tmp_path: Path) -> None:
    home, rng, killed, lists = tmp_path / "home", random.Random(6), 0, [new_list(tmp_path, 0)]
    with open_ledger(Settings(home=home)):
        pass
    for _ in range(ROUNDS):
        if killed_while_it_records(started(home, *importing(lists[-1])), home, rng):
            killed += 1
        else:  # it came to its end: the next one
            lists.append(new_list(tmp_path, len(lists)))
    assert killed >= ROUNDS / 2, "the kills came too late to show anything"
    for file in lists:
        done = started(home, *importing(file))
        result = orjson.loads(done.communicate(timeout=120)[0])
        assert (done.returncode, result["recorded"] + result["duplicates"]) == (0, ROWS)
    counted, _, known = recorded(home)
    assert len(counted) == ROWS * len(lists)
    assert set(counted.values()) == {1}
    assert set(counted) <= known


def new_list(folder: Path, place: int) -> Path:
    """A list of numbers that no other list has."""
    file = folder / f"list-{place}.csv"
    numbers = range(2_000_000 + place * ROWS, 2_000_000 + (place + 1) * ROWS)
    file.write_text("number\n" + "".join(f"+1416{number}\n" for number in numbers))
    return file


def importing(file: Path) -> tuple[str, ...]:
    """The command that imports a list of opt-outs."""
    return ("-m", "consumers.cli.main", "import", str(file), "--default", "action=revoke", "--json")
