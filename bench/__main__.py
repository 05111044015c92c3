"""Runs every benchmark one after the other and puts the figures into BENCHMARKS.md.

`SCALE=0.1 python -m bench decide` runs one of them at a tenth of its size and only prints; with `--keep` its figures go
into the page as well.
"""

import os
import platform
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

from bench.page import PAGE, keep

PARTS = {
    "append": "Append, durable",
    "importing": "Import of a million-row CSV, durable, identities included",
    "folding": "Fold from the first event, one core",
    "evidence": "Checkpoints, proofs and verification of ten million events",
    "decide": "Decide, in process, over ten million numbers",
    "gateway": "A gateway of ten million numbers on Kafka",
    "scrub": "Scrub of five million rows against ten million numbers",
    "audit": "Audit: one contact of ten thousand events",
    "violations": "Violations: a million statements, ten million sends",
    "worker": "Worker beside others, on a broker on the same two cores",
    "rebuilding": "Rebuild of the tables from offset 0",
    "growth": "How cost grows",
    "exporting": "Export of two million rows of the read models",
    "read_models": "Read models on PostgreSQL",
    "propagation": "Propagation from the acknowledgement to every gateway",
}


def machine() -> str:
    """The processor, how many of them, the memory, and the versions that matter."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if "model name" in line]
    model = names[0] if names else "an unknown processor"
    memory = next((int(line.split()[1]) >> 20 for line in _lines("/proc/meminfo") if "MemTotal" in line), 0)
    return f"{model}, {os.cpu_count()} cores, {memory} GiB, Python {platform.python_version()}, {platform.system()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


def table(figures: dict[str, object] | str) -> str:
    """One benchmark as a table, unless it comes as text with tables of its own."""
    if isinstance(figures, str):
        return figures
    rows = "\n".join(f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in figures.items())
    return f"| | |\n|---|---|\n{rows}\n"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def measure(name: str) -> str:
    """What a part found, and when and where."""
    scale = float(os.environ.get("SCALE", "1"))
    found = table(import_module(f"bench.{name}").run(scale))
    size = "" if scale == 1 else f", at {scale:g} of its size"
    return f"Measured on {time.strftime('%Y-%m-%d')}{size}: {machine()}.\n\n{found}"


def main() -> None:
    """Each part in a process of its own, so that none inherits another's memory."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--keep"]
    if not arguments:
        for name in PARTS:
            subprocess.run([sys.executable, "-m", "bench", name, "--keep"], check=True)
        return
    [name] = arguments
    print(figures := measure(name), flush=True)
    if "--keep" in sys.argv:
        PAGE.write_text(keep(PAGE.read_text("utf-8"), name, PARTS[name], figures), "utf-8")


if __name__ == "__main__":
    main()
