"""Export streams: four times the rows take no more memory, measured on more data than it may hold.

Of the slowest formats too, before which a reader could run furthest ahead.
"""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from projections.adapters.read_model_engine import engine_of
from schemas.times import rfc3339

ROWS, FIRST = 1_000_000, 250_000
"""So many rows there are, and so many are exported before: by then a reader is as far ahead as it ever gets."""
MAY_GROW_MB, ADDED_MB = 48, 130
FILL = """
    INSERT INTO preference_history (subject, scope, valid_from, kind, brand, channel, purpose, state, level, event_id,
                                    recorded_at)
    SELECT {hex}, 'acme/sms/marketing.offers', n, 'number', 'acme', 'sms', 'marketing.offers', 'revoked', 'own',
           {hex} || '-7000', n
    FROM {numbers}
"""
SQLITE = {
    "hex": "printf('%032x', n)",
    "numbers": "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :rows) "
    "SELECT n FROM counted)",
}
POSTGRES = {"hex": "lpad(to_hex(n), 32, '0')", "numbers": "generate_series(1, :rows) AS n"}

MEASURE = """
import re, sys
from pathlib import Path
from consumers.cli.main import run

def peak_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10

ending = sys.argv[1]
assert run(["export", "preference_history", f"some.{ending}", "--as-of", sys.argv[2]]) == 0
before = peak_mb()
assert run(["export", "preference_history", f"all.{ending}"]) == 0
print("grown", peak_mb() - before)
"""


@pytest.fixture
def filled(url: str) -> str:
    """A database of many rows, each with a time of its own: so many milliseconds as the rows before it."""
    engine = engine_of(url)
    sql = FILL.format(**(SQLITE if engine.dialect.name == "sqlite" else POSTGRES))
    with engine.begin() as connection:
        connection.execute(sa.text(sql), {"rows": ROWS})
    engine.dispose()
    return url


@pytest.mark.parametrize("ending", ["arrow", "parquet", "csv", "jsonl"])
def test_four_times_the_rows_take_no_more_memory(filled: str, tmp_path: Path, ending: str) -> None:
    environment = {"PREFLEDGER_DATABASE_URL": filled, "PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, ending, rfc3339(FIRST)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    grown = int(done.stdout.split("grown ")[1])
    some, every = (_bytes_of(tmp_path / f"{name}.{ending}") for name in ("some", "all"))
    assert every - some > ADDED_MB << 20, "or it would be no wonder"
    assert grown < MAY_GROW_MB, f"{grown} MB more for {(every - some) >> 20} MB of rows more"


def _bytes_of(path: Path) -> int:
    """How much memory the rows of a file would take at least."""
    match path.suffix:
        case ".parquet":
            return sum(batch.nbytes for batch in pq.ParquetFile(path).iter_batches())
        case ".arrow":
            file = pa.ipc.open_file(path)
            return sum(file.get_batch(number).nbytes for number in range(file.num_record_batches))
    return path.stat().st_size
