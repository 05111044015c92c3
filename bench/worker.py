"""The worker beside others that do the same fold: one broker, the same events, each in both orders.

SCALE=1 python -m bench worker
ROUNDS (2) says how often each runs; ONLY=streams,ours leaves out those without one of these words in their titles.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.contestant import Contestant, Run
from bench.contestants import contestants
from bench.events import EVENTS
from bench.race import Race
from stack.kafka import Kafka

HEAD = (
    "| | events/s | of the first's | cores | CPU, µs an event | of the first's | broker, µs | peak MB |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|"
)


def run(scale: float) -> str:
    """A table with a row for each, and how fast our tables are recovered."""
    words = os.environ.get("ONLY", "").lower().split(",")
    everyone = [one for one in contestants() if any(word in one.title.lower() for word in words)]
    with tempfile.TemporaryDirectory(prefix="prefledger-bench-") as folder, Kafka(Path(folder) / "kafka") as kafka:
        race = Race(kafka, Path(folder), int(EVENTS * scale))
        runs = _runs(race, everyone, int(os.environ.get("ROUNDS", "2")))
    return shown(runs) + "\n" + recovered(race.recoveries)


def _runs(race: Race, everyone: list[Contestant], rounds: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {one.title: [] for one in everyone}
    for turn in range(rounds):
        for one in everyone if turn % 2 == 0 else reversed(everyone):
            found = race.run(one)
            runs[one.title].append(found)
            print(f"round {turn + 1}: {one.title}: {found}", file=sys.stderr, flush=True)
    return runs


def shown(runs: dict[str, list[Run]]) -> str:
    """Medians, and how they compare with the first row's."""
    medians = {title: Run(*map(statistics.median, zip(*some, strict=True))) for title, some in runs.items()}
    first = next(iter(medians.values()))
    rows = [
        f"| {title} | {one.events_per_s:,.0f} | {one.events_per_s / first.events_per_s:.2f} | {one.cores:.2f} "
        f"| {one.cpu_us:.1f} | {one.cpu_us / first.cpu_us:.2f} | {one.broker_us:.1f} | {one.peak_mb:,.0f} |"
        for title, one in medians.items()
    ]
    return "\n".join([HEAD, *rows])


def recovered(recoveries: dict[str, list[float]]) -> str:
    """The medians of what was seen of recovery."""
    if not recoveries:
        return ""
    rows = [f"| {title} | {statistics.median(some):,.0f} |" for title, some in recoveries.items()]
    return "\n".join(["\n| recovery of the tables | records/s |\n|---|---:|", *rows, ""])
