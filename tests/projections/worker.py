"""What the tests of several processes run in another process: `python -m tests.projections.worker LOG URL BATCH`.

Catches up in small batches, prints a dot after each, and at the end how many events it folded.
"""

import os
import subprocess
import sys
from pathlib import Path

from ledger.adapters.sqlite_log import SqliteLog
from projections import catch_up
from projections.adapters.sql_view import SqlView

ROOT = Path(__file__).parents[2]


def started(log: Path, url: str, batch: int) -> "subprocess.Popen[bytes]":
    """A process that catches up."""
    command = [sys.executable, "-m", "tests.projections.worker", str(log), url, str(batch)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def folded(process: "subprocess.Popen[bytes]") -> int:
    """Waits for the end; how many events the process folded."""
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error.decode()
    return int(out.decode().rpartition("=")[2])


def main(log: str, url: str, batch: str) -> None:
    """Catches up."""
    catch_up.BATCH = int(batch)
    store = SqlView(url)

    def dot(_events: int) -> None:
        os.write(1, b".")

    events = catch_up.catch_up(SqliteLog(log), store, dot)
    os.write(1, f"={events}".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
