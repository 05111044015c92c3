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
ROWS = 30_000
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


@pytest.mark.timeout(900)
def test_an_import_killed_again_and_again_records_every_row_once(tmp_path: Path) -> None:
    home, rng = tmp_path / "home", random.Random(6)
    file = tmp_path / "list.csv"
    file.write_text("number\n" + "".join(f"+1416{2_000_000 + row}\n" for row in range(ROWS)))
    command = ("-m", "consumers.cli.main", "import", str(file), "--default", "action=revoke", "--json")
    in_the_middle = 0
    for _ in range(ROUNDS):
        killed_after(started(home, *command), rng.uniform(0.5, 1.5))
        in_the_middle += 0 < rows_in(home) < ROWS
    assert in_the_middle, "no kill came while rows were being recorded: the test shows nothing"
    done = started(home, *command)
    out, _ = done.communicate(timeout=120)
    result = orjson.loads(out)
    counted, _, known = recorded(home)
    assert done.returncode == 0
    assert result["recorded"] + result["duplicates"] == ROWS
    assert len(counted) == ROWS
    assert set(counted.values()) == {1}
    assert set(counted) <= known
