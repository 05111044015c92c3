"""Who takes part in the race of workers, and how each is started."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench.contestant import Contestant, Place
from bench.events import real, simple
from bench.kafka_input import COMPACTED, create
from stack.kafka import jars
from stack.tools import TOOLS, once, python_with

HERE = Path(__file__).parent / "workers"
STREAMS = "org.apache.kafka:kafka-streams:4.1.0"
HEAP = ("-Xmx1g",)
PATIENCE_S = 600
EXACTLY_ONCE = {"processing.guarantee": "exactly_once_v2"}
OURS_SIMPLE, OURS_PRODUCT = "ours, exactly-once, simple fold", "ours, product fold and models on real events"


def contestants() -> list[Contestant]:
    """All of them; the first is what the others are compared with."""
    return [
        Contestant("Kafka Streams 4.1, exactly-once, its default commit (100 ms)", streams(EXACTLY_ONCE)),
        Contestant("Kafka Streams 4.1, exactly-once, commit each 10 ms", committing_each("10")),
        Contestant("Kafka Streams 4.1, exactly-once, commit each 1 s", committing_each("1000")),
        Contestant("Quix Streams 3.28, exactly-once, commit each 100 ms", quix("0.1")),
        Contestant("Quix Streams 3.28, exactly-once, its default commit (5 s)", quix("5")),
        Contestant("stock Faust 0.15.3, at least once", stock_faust, share=0.1),
        Contestant("bare loop on librdkafka, transactional (a limit, no framework)", bare),
        Contestant(OURS_SIMPLE, ours("simple"), group="{}-worker-v1", ledger=simple),
        Contestant(OURS_PRODUCT, ours("product"), group="{}-worker-v1", ledger=real),
    ]


@cache
def fold_in_java() -> str:
    """The class path of the fold in Kafka Streams, compiled now."""
    library = jars("kafka-streams-4.1.0", STREAMS)
    classes = TOOLS / "kafka-streams-fold"
    source = HERE / "kafka_streams" / "Fold.java"
    subprocess.run(["javac", "-cp", f"{library}/*", "-d", str(classes), str(source)], check=True)
    return f"{classes}:{library}/*"


def streams(settings: dict[str, str]) -> Callable[[Place], list[str]]:
    """Kafka Streams with settings of its own."""
    said = [f"{name}={value}" for name, value in settings.items()]
    return lambda place: [
        "java", *HEAP, "-cp", fold_in_java(), "Fold", place.broker, place.topic, place.name, str(place.folder), *said,
    ]  # fmt: skip


def committing_each(milliseconds: str) -> Callable[[Place], list[str]]:
    """Kafka Streams, exactly once, with another commit interval."""
    return streams(EXACTLY_ONCE | {"commit.interval.ms": milliseconds})


@cache
def quix_python() -> str:
    """The interpreter of an environment with Quix Streams and librdkafka's client, made once."""
    wanted = HERE / "requirements-quix.txt"
    made = once("quix", lambda folder: python_with(wanted, folder, PATIENCE_S), wanted.read_text("utf-8"))
    return str(made / "bin" / "python")


def quix(interval: str) -> Callable[[Place], list[str]]:
    """Quix Streams, committing at an interval in seconds."""
    program = [quix_python(), "-W", "ignore", str(HERE / "quix.py")]
    return lambda place: [*program, place.broker, place.topic, place.name, str(place.folder), interval]


def bare(place: Place) -> list[str]:
    """A loop on librdkafka."""
    changelog = f"{place.name}-changelog"
    create(place.broker, changelog, COMPACTED)
    return [quix_python(), str(HERE / "bare_loop.py"), place.broker, place.topic, place.name, changelog]


def stock_faust(place: Place) -> list[str]:
    """Faust as it comes."""
    program = [sys.executable, "-m", "bench.workers.stock_faust"]
    return [*program, place.broker, place.topic, place.name, str(place.folder)]


def ours(fold: str) -> Callable[[Place], list[str]]:
    """The product's worker."""
    program = [sys.executable, "-m", "bench.our_worker", "--fold", fold]
    return lambda place: [*program, "--broker", place.broker, "--topics-prefix", place.name]
