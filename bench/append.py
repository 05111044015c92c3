"""How fast events become durable: 256 asyncio writers at once, one writer after another, and reading them back.

python -m bench.append [SCALE]
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import uuid_utils

from ledger.adapters.sqlite_log import SqliteLog
from ledger.log import Appended, Entry

WRITERS = 256
EVENT_BYTES = 450


def run(scale: float) -> dict[str, float]:
    """Figures by name. At scale 1: 100,000 events of 256 writers, 2,000 of a single one."""
    with tempfile.TemporaryDirectory() as folder:
        log = SqliteLog(Path(folder) / "ledger.db")
        try:
            many = _entries(max(WRITERS, int(100_000 * scale)))
            single = _entries(max(50, int(2_000 * scale)))
            bulk = _entries(max(2_000, int(100_000 * scale)))
            return {
                "durable events/s, 256 asyncio writers": len(many) / asyncio.run(_concurrent(log, many)),
                **_one_by_one(log, single),
                "durable events/s, bulk, 1,000 a call": len(bulk) / _bulk(log, bulk),
                "duplicates found/s, bulk, 1,000 a call": len(bulk) / _bulk(log, bulk),
                "events read/s": _read(log),
            }
        finally:
            log.close()


def _entries(count: int) -> list[Entry]:
    value = os.urandom(EVENT_BYTES // 2).hex().encode()
    return [
        Entry(os.urandom(16).hex(), value, str(uuid_utils.uuid7()), os.urandom(16).hex(), os.urandom(16).hex())
        for _entry in range(count)
    ]


async def _concurrent(log: SqliteLog, entries: list[Entry]) -> float:
    """Seconds until all are durable, each writer awaiting its own append before the next."""
    waiting = iter(entries)

    async def writer() -> None:
        for entry in waiting:
            (outcome,) = await log.append_async([entry])
            assert isinstance(outcome, Appended)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _writer in range(WRITERS):
            group.create_task(writer())
    return time.perf_counter() - started


def _one_by_one(log: SqliteLog, entries: list[Entry]) -> dict[str, float]:
    took = []
    for entry in entries:
        started = time.perf_counter()
        log.append([entry])
        took.append(time.perf_counter() - started)
    took.sort()
    return {
        "durable events/s, one by one": len(took) / sum(took),
        "one by one, p50 ms": took[len(took) // 2] * 1000,
        "one by one, p99 ms": took[len(took) * 99 // 100] * 1000,
    }


def _bulk(log: SqliteLog, entries: list[Entry]) -> float:
    started = time.perf_counter()
    for start in range(0, len(entries), 1_000):
        log.append(entries[start : start + 1_000])
    return time.perf_counter() - started


def _read(log: SqliteLog) -> float:
    started = time.perf_counter()
    count = sum(1 for _entry in log.read(0))
    return count / (time.perf_counter() - started)


def main() -> None:
    """Prints the figures as a table."""
    for name, figure in run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0).items():
        print(f"{name:42} {figure:12,.2f}")


if __name__ == "__main__":
    main()
