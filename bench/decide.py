"""How fast a gateway decides over ten million numbers in its own memory, beside a Redis on the same machine.

Every number has an opt-out, every second one is in an account. The copy is built by one process and opened by another,
which is measured; Redis holds the bare numbers, which is less than a decision needs. `python -m bench.decide [SCALE]`
"""

import gc
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import orjson
import redis

from bench.population import NOW, REFERENCES, number, snapshot
from bench.redis_server import fill, server
from consumers.gate import Gate
from consumers.replica import Replica

NUMBERS = 10_000_000
CALLS = 300_000
OF_TEN_ASKED_NINE_KNOWN = 1.11
BATCH = 100


def run(scale: float) -> dict[str, object]:
    """Figures by name. At scale 1: 10 million numbers; always 300,000 calls."""
    numbers = int(NUMBERS * scale)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "replica"
        started = time.perf_counter()
        snapshot(path, numbers)
        figures: dict[str, object] = {"numbers": numbers, "folded states to copy, s": time.perf_counter() - started}
        command = [sys.executable, "-m", "bench.decide", "--measure", str(path), str(numbers)]
        figures |= orjson.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return figures | _redis(numbers)


def measure(path: Path, numbers: int) -> dict[str, object]:
    """The copy's figures, in a process that does nothing else."""
    started = time.perf_counter()
    replica = Replica.open(path, REFERENCES.fingerprint)
    opened = time.perf_counter() - started
    replica.is_current()
    gate = Gate(replica, REFERENCES)
    rng = Random(1)
    asked = [number(rng.randrange(int(numbers * OF_TEN_ASKED_NINE_KNOWN))) for _ in range(CALLS)]
    for each in asked[:1000]:
        gate.decide(each, channel="sms", purpose="marketing.offers", at=NOW)
    gc.collect()
    gc.freeze()
    took, allowed, clock = [], 0, time.perf_counter_ns
    for each in asked:
        start = clock()
        decision = gate.decide(each, channel="sms", purpose="marketing.offers", at=NOW)
        took.append(clock() - start)
        allowed += decision.allowed
    tables = replica.base.tables
    contacts = [table for name, table in tables.items() if name != "accounts"]
    held = sum(len(table) * (8 + table.width) + 4 * (1 << table.bits) for table in contacts)
    return {
        "open, s": opened,
        "bytes a number": held / numbers,
        "bytes a number with the accounts that opted out": replica.base.size / numbers,
        "whole process, MB": _memory_mb(),
        "decide, p50 µs": _quantile(took, 0.5),
        "decide, p99 µs": _quantile(took, 0.99),
        "decide, p99.9 µs": _quantile(took, 0.999),
        "decisions/s": len(took) / sum(took) * 1e9,
        "allowed": allowed,
    }


def _redis(numbers: int) -> dict[str, object]:
    rng = Random(1)
    asked = [number(rng.randrange(int(numbers * OF_TEN_ASKED_NINE_KNOWN))) for _ in range(CALLS)]
    with server() as port, redis.Redis(port=port) as client:
        before = client.info("memory")["used_memory"]
        fill(port, (number(place).encode() for place in range(numbers)))
        held = client.info("memory")["used_memory"] - before
        took, clock = [], time.perf_counter_ns
        for each in asked[: CALLS // 3]:
            start = clock()
            client.get(each)
            took.append(clock() - start)
        start = clock()
        for place in range(0, len(asked), BATCH):
            client.mget(asked[place : place + BATCH])
        many = clock() - start
        return {
            "Redis, bytes a number": held / numbers,
            "Redis GET, p50 µs": _quantile(took, 0.5),
            "Redis GET, p99 µs": _quantile(took, 0.99),
            "Redis GET/s": len(took) / sum(took) * 1e9,
            f"Redis, {BATCH} at once, numbers/s": len(asked) / many * 1e9,
        }


def _quantile(took: list[int], share: float) -> float:
    return sorted(took)[int(len(took) * share)] / 1000


def _memory_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    """Prints the figures as a table."""
    if sys.argv[1:2] == ["--measure"]:
        sys.stdout.buffer.write(orjson.dumps(measure(Path(sys.argv[2]), int(sys.argv[3]))))
        return
    for name, figure in run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0).items():
        print(f"{name:50} {figure:14,.2f}")


if __name__ == "__main__":
    main()
