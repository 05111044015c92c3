"""How fast a read model becomes a file: the command itself, on a SQLite file and on a PostgreSQL of its own.

`SCALE=0.1 python -m bench exporting` at a tenth of its size.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from projections.adapters.read_model_engine import LIVE, engine_of
from projections.adapters.read_model_writing import insert
from projections.adapters.read_models import PREFERENCE_HISTORY, READ_MODELS
from projections.rows.flat import Row
from tests.databases import new_database, postgres_server

ROWS = 2_000_000
AT_ONCE = 20_000
FORMATS = ("parquet", "arrow", "csv", "jsonl")


def run(scale: float) -> dict[str, object]:
    """Figures by name. At scale 1: two million rows of `preference_history`."""
    rows = int(ROWS * scale)
    figures: dict[str, object] = {"rows": rows}
    with tempfile.TemporaryDirectory() as name, postgres_server() as server:
        folder = Path(name)
        urls = {"SQLite": f"sqlite:///{folder / 'read_models.db'}", "PostgreSQL": new_database(server)}
        for database, url in urls.items():
            _fill(url, rows)
            for ending in FORMATS:
                found = _exported(url, folder / f"out.{ending}", rows)
                figures |= {f"{database} to {ending}: {key}": figure for key, figure in found.items()}
    return figures


def _fill(url: str, rows: int) -> None:
    engine = engine_of(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.schema.CreateSchema(LIVE))
        READ_MODELS.create_all(connection, [PREFERENCE_HISTORY])
        made = _rows(rows)
        while some := list(islice(made, AT_ONCE)):
            insert(connection, PREFERENCE_HISTORY, some)
    engine.dispose()


def _rows(many: int) -> Iterator[Row]:
    for n in range(many):
        purpose = ("*", "marketing", "marketing.offers")[n % 3]
        at = 1_760_000_000_000 + 1_000 * n
        yield (
            f"{n * 2_654_435_761 % 2**32:032x}", f"acme/sms/{purpose}", at, at + 5_000 if n % 2 else None, "number",
            "acme", "sms", purpose, "granted" if n % 2 else "revoked", "own",
            f"019a{n:08x}-0000-7000-8000-{n:012x}", at + 20,
        )  # fmt: skip


def _exported(url: str, out: Path, rows: int) -> dict[str, object]:
    command = [sys.executable, "-m", "consumers.cli.main", "export", "preference_history", str(out)]
    environment = os.environ | {"PREFLEDGER_DATABASE_URL": url, "PYTHONPATH": os.getcwd()}
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    assert child.returncode == 0, child.returncode
    return {"rows a second": rows / seconds, "CPU, s": used.ru_utime, "memory, MB": used.ru_maxrss / 1024}
