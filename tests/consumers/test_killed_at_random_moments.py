"""`kill -9` during `revoke` and `import`, again and again: what was acknowledged is there, once, with its identity."""

import multiprocessing
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import orjson
import pytest

from consumers.bootstrap import open_ledger
from consumers.cli.main import run
from consumers.history_scan import every_event
from consumers.settings import Settings, load
from ledger.requests import Revoke
from schemas.events import PreferenceRevoked
from schemas.subject import parse_subject

ROUNDS = 50
ROWS = 2_000
SMALL = {"BATCH": 200, "WINDOW": 600}
"""How an import that is to be killed goes about its list: in ten batches of four windows, as it does with lists a
hundred times as long. Each time it begins at the first row again, so what fifty kills cost grows with the list."""
FORKS = multiprocessing.get_context("forkserver")
"""What is killed is a process of its own each time, whose modules are loaded already: fifty starts take a minute."""
FORKS.set_forkserver_preload(["consumers.cli.main", "consumers.bootstrap", "consumers.importing", "tests.consumers"])


class Killable:
    """A process that does something to the ledger in `home`; what it prints goes to a file."""

    def __init__(self, home: Path, task: Callable[..., int], *arguments: object) -> None:
        self._out = home.with_suffix(f".{time.monotonic_ns()}.out")
        self._process = FORKS.Process(target=_run, args=(home, self._out, task, arguments))
        self._process.start()

    def is_over(self) -> bool:
        """Whether it has come to its end."""
        return not self._process.is_alive()

    def kill(self) -> bool:
        """As by a power cut; whether it was still at work."""
        self._process.kill()
        return self.ended() == -signal.SIGKILL

    def ended(self) -> int | None:
        """Its exit code, once it has ended."""
        self._process.join(120)
        return self._process.exitcode

    def said(self) -> bytes:
        """What it has printed so far."""
        return self._out.read_bytes() if self._out.exists() else b""


def _run(home: Path, out: Path, task: Callable[..., int], arguments: tuple[object, ...]) -> None:
    os.environ["PREFLEDGER_HOME"] = str(home)
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.exit(task(*arguments))


def revoking(start: int) -> int:
    """One number after the other, a line each once it is acknowledged."""
    with open_ledger(load()) as ledger:
        for number in range(start, start + 100_000):
            request = Revoke(subject=parse_subject(f"+1416{number:07d}"), idempotency_key=f"call-{number}")
            print(number, ledger.recorder.record(request).event_id, flush=True)
    return 0


def importing(file: Path) -> int:
    """The command that imports a list of opt-outs, in small steps."""
    for module in ("load", "window"):
        vars(import_module(f"consumers.importing.{module}")).update(SMALL)
    return run(["import", str(file), "--default", "action=revoke", "--json"])


def rows_in(home: Path) -> int:
    """How far the log goes by now, as any other program would ask."""
    if not (home / "ledger.db").exists():
        return 0
    with sqlite3.connect(home / "ledger.db") as db:
        return int(db.execute("SELECT coalesce(max(rowid), 0) FROM log").fetchone()[0])


def recorded(home: Path) -> tuple[Counter[str], dict[str, str], set[str]]:
    """How often each subject was opted out, the subject of each event, and the references that have an identity."""
    with open_ledger(Settings(home=home)) as ledger:
        revocations = [event for _, event in every_event(ledger.log) if isinstance(event, PreferenceRevoked)]
        known = set(ledger.people.all_refs())
    return Counter(e.subject for e in revocations), {e.event_id: e.subject for e in revocations}, known


def test_every_acknowledged_revocation_is_there_once_with_its_identity(tmp_path: Path) -> None:
    home, rng, acknowledged = tmp_path / "home", random.Random(5), list[tuple[int, str]]()
    for round_ in range(ROUNDS):
        process = Killable(home, revoking, 2_000_000 + round_ * 100_000)
        while round_ % 2 and not process.said():  # every other one is killed wherever it is, however slow the machine
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.5))
        process.kill()
        whole = [line for line in process.said().decode().splitlines(keepends=True) if line.endswith("\n")]
        acknowledged += [(int(number), event_id) for number, event_id in map(str.split, whole)]
    counted, events, known = recorded(home)
    assert len(acknowledged) > ROUNDS
    assert all(event_id in events for _, event_id in acknowledged)
    assert set(counted.values()) == {1}
    assert set(counted) <= known


def killed_while_it_records(process: Killable, home: Path, rng: random.Random) -> bool:
    """Waits until the log grows, a moment longer, and kills; whether it was still at work."""
    before = rows_in(home)
    while not process.is_over() and rows_in(home) == before:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.05))
    return process.kill()


@pytest.mark.timeout(900)
def test_an_import_killed_again_and_again_records_every_row_once(tmp_path: Path) -> None:
    home, rng, killed, lists = tmp_path / "home", random.Random(6), 0, [new_list(tmp_path, 0)]
    with open_ledger(Settings(home=home)):
        pass
    for _ in range(3 * ROUNDS):
        if killed == ROUNDS:
            break
        if killed_while_it_records(Killable(home, importing, lists[-1]), home, rng):
            killed += 1
        else:  # it came to its end: the next one
            lists.append(new_list(tmp_path, len(lists)))
    assert killed == ROUNDS, "the kills came too late to show anything"
    for file in lists:
        done = Killable(home, importing, file)
        assert done.ended() == 0
        result = orjson.loads(done.said())
        assert result["recorded"] + result["duplicates"] == ROWS
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
