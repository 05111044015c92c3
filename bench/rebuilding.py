"""`prefledger worker rebuild`, the command as an operator types it, on a ledger that is on the broker already.

A million events of 100,000 subjects, 4 partitions, on a broker on the same two cores; with the command's start and the
writing of the tables. `SCALE=0.1 python -m bench rebuilding` takes a tenth.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import orjson

from bench.events import EVENTS, KEYS, PARTITIONS, real
from bench.kafka_input import fill
from ledger.adapters.kafka_topics import KafkaTopics, Layout
from ledger.broker import Broker
from schemas.topics import Topics
from stack.kafka import Kafka

ROUNDS = 3


def run(scale: float) -> dict[str, object]:
    """Figures by name; of the rounds, each into tables of its own, the one in the middle."""
    events = int(EVENTS * scale)
    with tempfile.TemporaryDirectory(prefix="prefledger-bench-") as folder, Kafka(Path(folder) / "kafka") as kafka:
        broker = Broker((kafka.address,), Topics("rebuilding"))
        _made(broker)
        fill(kafka.address, broker.topics.ledger, real(events))
        took = sorted(_rebuilt(broker, version, events, Path(folder)) for version in range(2, 2 + ROUNDS))
    seconds, cpu = took[ROUNDS // 2]
    return {
        "events": events, "keys at most": KEYS, "rebuild with the command's start, s": seconds,
        "rebuild, events/s": events / seconds, "rebuild, CPU µs an event": cpu / events * 1e6,
    }  # fmt: skip


def _made(broker: Broker) -> None:
    topics = KafkaTopics(broker)
    topics.create(Layout(partitions=PARTITIONS, replication_factor=1))
    topics.close()


def _rebuilt(broker: Broker, version: int, events: int, folder: Path) -> tuple[float, float]:
    """Seconds by the clock and of the processor, of one rebuild into the empty tables of a version."""
    _made(replace(broker, topics=broker.topics._replace(version=version)))
    environment = {
        "PREFLEDGER_LEDGER_URL": f"kafka://{broker.name}",
        "PREFLEDGER_TOPICS_PREFIX": broker.topics.prefix,
        "PREFLEDGER_HOME": str(folder),
    }
    command = [sys.executable, "-m", "consumers.cli.main", "worker", "rebuild", "--to-version", str(version), "--json"]
    before, begun = _spent(), time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    took = time.perf_counter() - begun, _spent() - before
    if orjson.loads(done.stdout)["entries"] != events:
        raise RuntimeError(f"it rebuilt other entries than the {events} that there are: {done.stdout!r}")
    return took


def _spent() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime
