"""How long `violations` takes over ten million sends and a million statements: the command itself, on file and log.

`SCALE=0.1 python -m bench violations` at a tenth of its size.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from random import Random
from uuid import UUID

from consumers.bootstrap import open_ledger
from consumers.opened import Ledger
from consumers.settings import Settings
from ledger.adapters.sqlite_decisions import SqliteDecisions
from ledger.requests import Grant, Link, Origin, Request, Revoke
from ledger.stamp import new_id
from schemas.distributed import LoggedDecision
from schemas.subject import Subject
from schemas.times import rfc3339

STATEMENTS = 1_000_000
SENDS = 10_000_000
WRONG = 0.01
"""The share of sends that went out after all that was said; the others went out before."""
ORIGIN = Origin(actor="import:crm", source="crm")
PROCESS = new_id()
ID, REF, AT = new_id(), "f" * 32, 4_712_000
YEAR = 31_536_000_000
Sent = tuple[str, int]


def run(scale: float) -> dict[str, object]:
    """Figures by name. At scale 1: 10 million sends to 5 million numbers, a million statements about some of them."""
    statements, sends = int(STATEMENTS * scale), int(SENDS * scale)
    figures: dict[str, object] = {"statements": statements, "sends": sends}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        with open_ledger(Settings(home=folder / "home")) as ledger:
            _fill(ledger, statements)
            now = time.time_ns() // 1_000_000
            _write_file(folder / "sends.csv", _sent(statements, sends, now))
            _write_log(folder / "home" / "decisions.db", ledger, _sent(statements, sends, now))
        figures["filling ledger, file and decision log, s"] = time.perf_counter() - started
        for what, options in (("file", ("--sends", str(folder / "sends.csv"))), ("decision log", ())):
            figures |= {f"{what}: {key}": figure for key, figure in _searched(folder, options, sends).items()}
    return figures


def _number(position: int) -> str:
    return f"+1416{2_000_000 + position:07}"


def _fill(ledger: Ledger, statements: int) -> None:
    rng = Random(1)
    requests = (_said(rng, position, statements) for position in range(statements))
    while batch := list(islice(requests, 5_000)):
        ledger.recorder.record_all(batch)


def _said(rng: Random, position: int, statements: int) -> Request:
    """Of ten statements six are a no, two a yes, and two a link to an account of which a third said no."""
    subject = Subject("number", _number(rng.randrange(int(statements * 0.7))))
    kind = position % 10
    if kind < 6:
        whom = Subject("account", f"A-{position}") if kind == 0 else subject
        return Revoke(subject=whom, channel="sms", purpose="marketing", origin=ORIGIN, reach="contact")
    if kind < 8:
        return Grant(subject=subject, brand="acme", channel="sms", purpose="marketing", basis="express", origin=ORIGIN)
    account = Subject("account", f"A-{rng.randrange(position // 10 + 1) * (10 if position % 3 else 1)}")
    return Link(account=account, subject=subject, origin=ORIGIN)


def _sent(statements: int, sends: int, now: int) -> Iterator[Sent]:
    """In the order of time, as a gateway logs them: ten million a year."""
    rng = Random(2)
    numbers, length = int(statements * 5), YEAR * sends // SENDS
    for position in range(sends):
        yield _number(rng.randrange(numbers)), now + int(length * (position / sends - 1 + WRONG)) + 1


def _write_file(path: Path, sent: Iterator[Sent]) -> None:
    with path.open("w") as file:
        file.write("number,sent_at,channel,purpose,brand,sender,gateway\n")
        file.writelines(f"{number},{rfc3339(at)},sms,marketing,acme,12345,sms-{at % 4}\n" for number, at in sent)


def _write_log(path: Path, ledger: Ledger, sent: Iterator[Sent]) -> None:
    """Rows as `SqliteDecisions` stores them, written without making ten million models first."""
    SqliteDecisions(path).close()  # makes the file
    values = [_decision(number).model_dump_json().replace(REF, "%s").replace(ID, "%s") for number in range(4)]
    values = [value.replace(f'"at":{AT}', '"at":%d') for value in values]
    refs = ledger.references
    with closing(sqlite3.connect(path)) as log:
        by_subject = log.execute("SELECT sql FROM sqlite_master WHERE name = 'decisions_by_subject'").fetchone()[0]
        log.execute("DROP INDEX decisions_by_subject")  # made of all rows at once below, as any load does
        while batch := list(islice(sent, 20_000)):
            rows = []
            for number, at in batch:
                made, ref = new_id(), refs.of("number", number)
                value = values[at % 4] % (made, ref, at)
                rows.append((UUID(made).bytes, bytes.fromhex(ref), at, value.encode()))
            with log:
                log.executemany(
                    "INSERT INTO decisions (decision_id, subject, logged_at, value) VALUES (?, ?, ?, ?)", rows
                )
        log.execute(by_subject)


def _decision(gateway: int) -> LoggedDecision:
    return LoggedDecision.model_construct(
        decision_id=ID, gateway=f"sms-{gateway}", process=PROCESS, kind="number", subject=REF, channel="sms",
        purpose="marketing", brand="acme", sender="12345", jurisdiction=None, at=AT, allowed=True, reason="granted",
        rule="most-restrictive@1", policy="default@1", evidence=(PROCESS,),
        watermark=dict.fromkeys(range(12), 4_711_000), staleness_ms=200,
    )  # fmt: skip


def _searched(folder: Path, options: Sequence[str], sends: int) -> dict[str, object]:
    out = folder / "found.csv"
    command = [sys.executable, "-m", "consumers.cli.main", "violations", *options, "--out", str(out)]
    environment = os.environ | {"PREFLEDGER_HOME": str(folder / "home"), "PYTHONPATH": os.getcwd()}
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    assert child.returncode == 1, child.returncode
    with out.open() as found:
        violations = sum(1 for _ in found) - 1
    return {
        "violations": violations, "seconds": seconds, "sends a second": sends / seconds, "CPU, s": used.ru_utime,
        "memory, MB": used.ru_maxrss / 1024,
    }  # fmt: skip
