"""How fast a list is imported, identities encrypted and everything durable, and how much memory that takes.

python -m bench.importing [SCALE]; each size is measured in a process of its own.
"""

import multiprocessing
import random
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from consumers.importing.load import load
from consumers.importing.options import options
from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.record import Recorder
from ledger.reference import References
from tests.controls_import import PlainPast

SIZES = {"100k": 100_000, "1m": 1_000_000}


def run(scale: float) -> dict[str, float]:
    """Rows a second and peak memory, for a hundred thousand and for a million rows."""
    figures: dict[str, float] = {}
    for name, rows in SIZES.items():
        rate, megabytes = _in_a_process_of_its_own(max(1_000, int(rows * scale)))
        figures[f"rows_per_second_{name}"] = round(rate)
        figures[f"peak_megabytes_{name}"] = round(megabytes)
    return figures


def _in_a_process_of_its_own(rows: int) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_measure, args=(rows, there))
    process.start()
    there.close()
    rate, megabytes = here.recv()
    process.join()
    return rate, megabytes


def _measure(rows: int, answer: Connection) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_list(folder / "list.csv", rows)
        log, people = SqliteLog(folder / "ledger.db"), SqlitePeople(folder / "people.db", bytes(32))
        recorder = Recorder(log, people, References(bytes(32)), PlainPast())
        start = time.perf_counter()
        result = load(folder / "list.csv", recorder, options())
        took = time.perf_counter() - start
        log.close()
        people.close()
    if result.recorded != rows:
        raise AssertionError(result)
    answer.send((rows / took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def _write_list(path: Path, rows: int) -> None:
    numbers = random.Random(1).sample(range(2_000_000, 10_000_000), rows)
    with path.open("w", encoding="utf-8") as file:
        file.write("action,number,channel,purpose,brand\n")
        file.writelines(f"revoke,+1416{number:07d},sms,marketing,acme\n" for number in numbers)


if __name__ == "__main__":
    for figure, value in run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0).items():
        print(f"{figure:24} {value:>12,.0f}")
