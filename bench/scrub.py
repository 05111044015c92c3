"""How fast a list of five million numbers is scrubbed against ten million, with reasons, beside a bare anti-join.

The anti-join of DuckDB answers less: whether a plain number stands in a plain list. `python -m bench.scrub [SCALE]`
"""

import sys
import tempfile
import time
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from bench.population import NOW, REFERENCES, number, snapshot
from consumers.replica import Replica
from consumers.scrub import Wanted, scrub_file

NUMBERS = 10_000_000
ROWS = 5_000_000
HALF_KNOWN = 2.0
WANTED = Wanted(channel="sms", purpose="service", at=NOW)  # silence is a yes here, so that rows of both kinds come out


def run(scale: float) -> dict[str, object]:
    """Figures by name. At scale 1: 5 million rows, 10 million numbers; half of the rows have opted out."""
    numbers, rows = int(NUMBERS * scale), int(ROWS * scale)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot(folder / "replica", numbers)
        _write_lists(folder, numbers, rows)
        figures: dict[str, object] = {"numbers": numbers, "rows": rows}
        for ending in ("parquet", "csv"):
            figures |= _scrub(folder, ending, rows)
            figures |= _anti_join(folder, ending, rows)
        return figures


def _write_lists(folder: Path, numbers: int, rows: int) -> None:
    rng = Random(1)
    asked = [number(rng.randrange(int(numbers * HALF_KNOWN))) for _ in range(rows)]
    table = pa.table({"number": asked, "campaign": pa.array([f"c{place % 10}" for place in range(rows)])})
    pq.write_table(table, folder / "list.parquet")
    with (folder / "list.csv").open("w") as file:
        file.write("number,campaign\n")
        file.writelines(f"{each},c{place % 10}\n" for place, each in enumerate(asked))
    opted_out = pa.table({"number": [number(place) for place in range(numbers)]})
    pq.write_table(opted_out, folder / "opted_out.parquet")


def _scrub(folder: Path, ending: str, rows: int) -> dict[str, object]:
    replica = Replica.open(folder / "replica", REFERENCES.fingerprint)
    replica.is_current()
    started = time.perf_counter()
    result = scrub_file(
        folder / f"list.{ending}", folder / f"out.{ending}", folder / f"denied.{ending}", replica, REFERENCES, WANTED,
        processes=2,
    )  # fmt: skip
    took = time.perf_counter() - started
    assert result.rows == rows
    return {f"{ending}: scrubbed rows/s, two processes": rows / took, f"{ending}: denied": result.denied}


def _anti_join(folder: Path, ending: str, rows: int) -> dict[str, object]:
    with duckdb.connect(config={"threads": 2}) as database:
        database.execute(f"CREATE TABLE opted_out AS SELECT number FROM '{folder / 'opted_out.parquet'}'")
        source = "read_csv('{}', all_varchar = true)" if ending == "csv" else "read_parquet('{}')"
        listed = source.format(folder / f"list.{ending}")
        started = time.perf_counter()
        kept = f"FROM {listed} list ANTI JOIN opted_out USING (number)"
        database.execute(f"COPY ({kept}) TO '{folder / 'kept'}.{ending}'")
        took = time.perf_counter() - started
    return {f"{ending}: DuckDB bare anti-join rows/s": rows / took}


def main() -> None:
    """Prints the figures as a table."""
    for name, figure in run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0).items():
        print(f"{name:50} {figure:14,.0f}")


if __name__ == "__main__":
    main()
