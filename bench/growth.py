"""How cost grows: with the number of worker processes, and with the number of keys.

Rates are of the product's own fold and models, with 1, 2 and 4 worker processes beside the broker on this machine's
cores. Sizes are measured at up to a million keys of three events each; what stands behind that is extrapolated.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench.contestant import Place, committed
from bench.contestants import ours
from bench.events import PARTITIONS, Made, granted, linked, real, real_event, revoked, subject
from bench.kafka_input import admin, fill
from bench.processes import used
from bench.race import own_ledger
from schemas.topics import Topics
from stack.kafka import Kafka
from stack.processes import Process

EVENTS = 400_000
KEYS = 1_000_000
EVENTS_A_KEY = 3
WORKERS = (1, 2, 4)
EXTRAPOLATED = (10_000_000, 100_000_000)
GATEWAY_BYTES = 40
NATIONAL_EVENTS_A_DAY = 0.01
"""How often a number's preference changes a day, for the estimate: each number once in a hundred days."""
STALLED_S = 180


class Folded(NamedTuple):
    """What so many workers did."""

    events_per_s: float
    cpu_us: float
    worker_bytes: int
    topic_bytes: int


def run(scale: float) -> str:
    """Two tables and an estimate."""
    with tempfile.TemporaryDirectory(prefix="prefledger-bench-") as name, Kafka(Path(name) / "kafka") as kafka:
        events = int(EVENTS * scale)
        rates = {count: _folded(kafka, Path(name), f"w{count}", count, events, real(events)) for count in WORKERS}
        keys = [int(KEYS * scale / 3), int(KEYS * scale)]
        sizes = {count: _folded(kafka, Path(name), f"k{count}", 1, count * EVENTS_A_KEY, _of(count)) for count in keys}
    return f"{_rates(rates)}\n\n{_sizes(sizes)}\n"


def _of(keys: int) -> Iterator[Made]:
    """A link, a yes and a no of each key, in three rounds."""
    random = Random(3)
    for number, said in enumerate((linked, granted, revoked)):
        for key in range(keys):
            yield real_event(random, number * keys + key, said, subject(key))


def _folded(kafka: Kafka, folder: Path, name: str, workers: int, events: int, made: Iterator[Made]) -> Folded:
    topic = own_ledger(kafka.address, name)
    fill(kafka.address, topic, made)
    place = Place(kafka.address, topic, name, folder / name)
    place.folder.mkdir()
    client = admin(kafka.address)
    with ExitStack() as stack:
        running = [
            stack.enter_context(Process(f"{name}-{number}", ours("product")(place), place.folder / f"{number}.log"))
            for number in range(workers)
        ]
        first = last = (time.perf_counter(), 0, 0.0)
        while last[1] < events:
            done = committed(client, f"{name}-worker-v1", topic)
            last = (time.perf_counter(), done, sum(used(one.pid).cpu_s for one in running))
            if first[1] < events * 0.2:
                first = last
            if last[0] - first[0] > STALLED_S:
                raise RuntimeError(f"{name}: {done} of {events} events\n{running[0].said()}")
            time.sleep(0.05)
        peak = sum(used(one.pid).peak for one in running)
    client.close()
    seconds, count, cpu = (after - before for after, before in zip(last, first, strict=True))
    return Folded(count / seconds, cpu / count * 1e6, peak, _on_disk(kafka, name))


def _on_disk(kafka: Kafka, prefix: str) -> int:
    """Bytes of the three tables' topics, as they were written and not yet compacted."""
    tables = tuple(Topics(prefix).tables.values())
    folders = [one for one in (kafka.folder / "data").iterdir() if one.name.startswith(tables)]
    return sum(file.stat().st_size for one in folders for file in one.glob("*.log"))


def _rates(rates: dict[int, Folded]) -> str:
    base = rates[WORKERS[0]].events_per_s
    rows = [
        f"| {count} | {one.events_per_s:,.0f} | {one.events_per_s / base:.2f} | {one.cpu_us:.1f} "
        f"| {one.worker_bytes / 1e6:,.0f} |"
        for count, one in rates.items()
    ]
    head = f"| worker processes ({PARTITIONS} partitions) | events/s | of one | CPU, µs an event | peak MB, all |\n"
    return "\n".join([head + "|---:|---:|---:|---:|---:|", *rows])


def _sizes(sizes: dict[int, Folded]) -> str:
    (small, low), (large, high) = sizes.items()
    memory = (high.worker_bytes - low.worker_bytes) / (large - small)
    topic = high.topic_bytes / large / EVENTS_A_KEY
    rows = [_size(count, one.worker_bytes, "measured") for count, one in sizes.items()]
    rows += [_size(count, int(high.worker_bytes + (count - large) * memory), "extrapolated") for count in EXTRAPOLATED]
    note = (
        f"\n\nA state of {EVENTS_A_KEY} events takes {memory:,.0f} bytes in a worker, each write of one "
        f"{topic:,.0f} bytes of its topic, before compaction and replication."
    )
    head = (
        "| numbers | workers' memory, GB | | a gateway's tables at 40 bytes, GB | events/s, once each in 100 days |\n"
    )
    return "\n".join([head + "|---:|---:|---|---:|---:|", *rows]) + note


def _size(count: int, worker_bytes: int, how: str) -> str:
    a_second = count * NATIONAL_EVENTS_A_DAY / 86_400
    return f"| {count:,} | {worker_bytes / 1e9:,.2f} | {how} | {count * GATEWAY_BYTES / 1e9:,.2f} | {a_second:,.1f} |"
