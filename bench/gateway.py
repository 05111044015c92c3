"""How a gateway starts, what it weighs, and how fast it decides while changes come in; on a real broker, 12 partitions.

The tables hold the states of ten million numbers, each with an opt-out, every second one in an account. The broker, the
writer of the changes and the gateway share the machine. `SCALE=0.1 python -m bench gateway` takes a million.
"""

import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from random import Random

import orjson

from bench.population import NOW, OPERATOR_POLICY, REFERENCES, _of_number, number, parts
from bench.processes import tree
from consumers.bootstrap.gateway import SWITCH_S, ports
from consumers.gateway import Gateway
from ledger.adapters.kafka_client import Client, admin, producer
from ledger.adapters.kafka_topics import Layout, wanted
from ledger.broker import Broker
from schemas.events import OPERATOR_LEDGER
from schemas.subject import SubjectKind
from schemas.topics import TABLE_OF, TABLES, Topics, partition_of, watermark_key
from stack.kafka import Kafka
from stack.processes import free_port

NUMBERS = 10_000_000
PARTITIONS = 12
CHANGES = 5_000
MEASURED_S = 20.0
BEYOND = 1_000_000_000
"""Watermarks lie past the end of a ledger that holds little else than the registrations of gateways."""
ASKED = {"channel": "sms", "purpose": "marketing.offers"}


def run(scale: float) -> dict[str, object]:
    """Figures by name."""
    numbers = int(NUMBERS * scale)
    with tempfile.TemporaryDirectory() as folder, Kafka(Path(folder) / "kafka") as kafka:
        broker = Broker((kafka.address,), Topics("bench"))
        _make_topics(broker)
        begun = time.perf_counter()
        halves = [_in_process("fill", kafka.address, numbers, half) for half in range(2)]
        assert [half.wait() for half in halves] == [0, 0]
        close(broker)
        figures: dict[str, object] = {"numbers": numbers, "writing the tables, s": time.perf_counter() - begun}
        for phase in ("topics", "snapshot", "busy", "logging"):
            done = _in_process(phase, kafka.address, numbers, folder, output=True)
            figures |= orjson.loads(done.communicate()[0])
    return figures


def _in_process(*arguments: object, output: bool = False) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.gateway", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE if output else None)


def _make_topics(broker: Broker) -> None:
    maker = admin(broker)
    made = {
        topic.name: {"num_partitions": topic.partitions, "replication_factor": 1, "configs": topic.settings}
        for topic in wanted(broker, Layout(PARTITIONS, 1))
    }
    maker.create_topics(made, wait_for_metadata=True)
    maker.close()


# --- what the workers would have written


def fill(broker: Broker, numbers: int, half: int) -> None:
    """Half of the states."""
    writing = producer(broker, 120, linger_ms=20, acks=1, enable_idempotence=False)
    tables = broker.topics.tables
    for place, (key, value) in enumerate(islice(parts(numbers), half, None, 2)):
        kind: SubjectKind = "number"
        if key == OPERATOR_POLICY:
            kind = "operator"
        elif b'"kind":"account"' in value[-200:]:
            kind = "account"
        writing.send(tables[TABLE_OF[kind]], value, key.encode(), partition=partition_of(key, PARTITIONS))
        if place % 20_000 == 19_999:
            writing.flush(120)
    writing.flush(120)
    writing.close()


def close(broker: Broker) -> None:
    """What the ledger says of itself, and the watermarks that belong to all the states."""
    writing = producer(broker)
    entry = {"type": "LedgerOpened", "ledger_id": "0199a0a8-3c00-7000-8000-000000000001",
             "secret_fingerprint": REFERENCES.fingerprint, "partitions": PARTITIONS}  # fmt: skip
    state = {"kind": "operator", "subject": OPERATOR_LEDGER, "part": 0, "parts": 1, "partition": 0, "offset": 0}
    writing.send(
        broker.topics.table("reference"), orjson.dumps(state | {"entries": [entry]}), OPERATOR_LEDGER.encode(),
        partition=partition_of(OPERATOR_LEDGER, PARTITIONS),
    )  # fmt: skip
    for partition in range(PARTITIONS):
        _mark(broker, writing, partition, 0)
    writing.flush(120)
    writing.close()


def _mark(broker: Broker, writing: Client, partition: int, number: int) -> None:
    mark = orjson.dumps({"partition": partition, "offset": BEYOND + number, "recorded_at": NOW})
    for table in TABLES:
        writing.send(broker.topics.table(table), mark, watermark_key(partition).encode(), partition=partition)


def change(broker: Broker, numbers: int, seconds: float) -> None:
    """So many changes a second, a transaction a partition, as workers that keep up write them."""
    writing = producer(broker, transactional_id="bench", linger_ms=0)
    writing.init_transactions()
    rng, end, number_ = Random(3), time.monotonic() + seconds, 0
    changed = {partition: list(some) for partition, some in _by_partition(numbers, rng)}
    each, pause = CHANGES // 50, 0.02
    while (began := time.monotonic()) < end:
        number_ += 1
        partition = number_ % PARTITIONS
        writing.begin_transaction()
        for reference, position in rng.choices(changed[partition], k=each):
            value = _of_number(reference, position, number_)
            writing.send(broker.topics.table("by-number"), value, reference.encode(), partition=partition)
        _mark(broker, writing, partition, number_)
        writing.commit_transaction()
        time.sleep(max(0.0, began + pause - time.monotonic()))
    writing.close()


def _by_partition(numbers: int, rng: Random) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    some: dict[int, list[tuple[str, int]]] = {partition: [] for partition in range(PARTITIONS)}
    for _ in range(20_000):
        position = rng.randrange(numbers)
        reference = REFERENCES.of("number", number(position))
        some[partition_of(reference, PARTITIONS)].append((reference, position))
    yield from some.items()


# --- the gateway


def _gateway(broker: Broker, folder: str, log_decisions: bool = False) -> Gateway:
    return Gateway("bench", ports(broker, log_decisions), REFERENCES, Path(folder) / "bench.snapshot")


def started(broker: Broker, folder: str, how: str) -> dict[str, object]:
    """From nothing to current, and what it takes."""
    sys.setswitchinterval(SWITCH_S)
    begun = time.perf_counter()
    gateway = _gateway(broker, folder).start()
    gateway.wait_until_current(1200)
    took = time.perf_counter() - begun
    held = _memory_mb("VmRSS:")
    tables = gateway.running.replica.base.tables
    contacts = sum(len(table) for name, table in tables.items() if name != "accounts")
    peak = _memory_mb("VmHWM:")
    gateway.stop()
    assert gateway.running.failed is None
    return {f"from the {how} to current, s": took, f"from the {how}, contacts": contacts,
            f"from the {how}, both processes then, MB": held, f"from the {how}, at most, MB": peak}  # fmt: skip


def busy(broker: Broker, numbers: int, folder: str, address: str, log_decisions: bool) -> dict[str, object]:
    """How long a decision takes while changes come in, asked without a pause, and a thousand times a second."""
    sys.setswitchinterval(SWITCH_S)
    rng = Random(1)
    asked = [number(rng.randrange(int(numbers * 1.11))) for _ in range(100_000)]
    with _gateway(broker, folder, log_decisions) as gateway:
        gateway.wait_until_current(600)
        gc.collect()
        gc.freeze()
        logged = ", each logged" if log_decisions else ""
        figures = _times(f"nothing comes in{logged}", _asked(gateway, asked, MEASURED_S / 4, 0))
        writer = _in_process("change", address, numbers, 3 * MEASURED_S + 12)
        _wait_for_changes(gateway)
        for name, pause in ((f"without a pause{logged}", 0.0), (f"1,000 times a second{logged}", 0.001)):
            before, written = gateway.running.follower_parts(), _journal(gateway)
            took = _asked(gateway, asked, MEASURED_S, pause)
            applied = (gateway.running.follower_parts() - before) / MEASURED_S
            figures |= _times(name, took)
            figures |= {f"decisions/s, {name}": len(took) / MEASURED_S, f"changes/s, {name}": applied}
            figures |= {f"{fact} a second, {name}": (count - written[fact]) / MEASURED_S
                        for fact, count in _journal(gateway).items()}  # fmt: skip
        if not log_decisions:
            figures |= _over_http(gateway, asked)
        writer.wait()
        figures[f"all processes after{logged}, MB"] = _memory_mb("VmRSS:")
    return figures


def _journal(gateway: Gateway) -> dict[str, float]:
    """Decisions logged and dropped so far; nothing where none are logged."""
    facts = gateway.journal.facts() if gateway.journal else {}
    return {name.replace("_", " "): count for name, count in facts.items()}


def _times(name: str, took: list[int]) -> dict[str, object]:
    return {f"decide, {name}, p{share * 100:g} µs": _quantile(took, share) for share in (0.5, 0.99, 0.999)}


def _wait_for_changes(gateway: Gateway) -> None:
    before = gateway.running.follower_parts()
    while gateway.running.follower_parts() < before + CHANGES:
        time.sleep(0.05)


def _asked(gateway: Gateway, asked: list[str], seconds: float, pause: float) -> list[int]:
    took, clock, end = [], time.perf_counter_ns, time.monotonic() + seconds
    place = 0
    while time.monotonic() < end:
        contact = asked[place % len(asked)]
        place += 1
        start = clock()
        gateway.decide(contact, **ASKED)  # type: ignore[arg-type]
        took.append(clock() - start)
        if pause:
            time.sleep(pause)
    return took


def _over_http(gateway: Gateway, asked: list[str]) -> dict[str, object]:
    import uvicorn

    from consumers.gateway.http import application

    port = free_port()
    config = uvicorn.Config(application(gateway), port=port, log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    client = subprocess.run(
        [sys.executable, "-m", "bench.gateway", "client", str(port)], input=orjson.dumps(asked[:20_000]), check=True,
        capture_output=True,
    )  # fmt: skip
    server.should_exit = True
    thread.join()
    found: dict[str, object] = orjson.loads(client.stdout)
    return found


def client(port: int) -> dict[str, object]:
    """Asks over one kept connection, one after the other, for some seconds."""
    connection, took = HTTPConnection("127.0.0.1", port), []
    asked, end, clock = orjson.loads(sys.stdin.buffer.read()), time.monotonic() + MEASURED_S / 2, time.perf_counter_ns
    place = 0
    while time.monotonic() < end:
        body = orjson.dumps({"contact": asked[place % len(asked)], **ASKED})
        place += 1
        start = clock()
        connection.request("POST", "/v1/decisions", body)
        assert connection.getresponse().read()
        took.append(clock() - start)
    return {f"over HTTP, p{share * 100:g} µs": _quantile(took, share) for share in (0.5, 0.99)} | {
        "over HTTP, decisions/s of one client": len(took) / MEASURED_S * 2
    }


def _quantile(took: list[int], share: float) -> float:
    return sorted(took)[int(len(took) * share)] / 1000


def _memory_mb(which: str) -> float:
    """Of this process and of those that read and log for it."""
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in tree(os.getpid())]
    return sum(int(status.split(which)[1].split()[0]) for status in statuses) / 1024


def main() -> None:
    """A part of it, in a process of its own."""
    what, address = sys.argv[1:3]
    if what == "client":
        print(orjson.dumps(client(int(address))).decode())
        return
    broker = Broker((address,), Topics("bench"))
    match what:
        case "fill":
            fill(broker, int(sys.argv[3]), int(sys.argv[4]))
        case "change":
            change(broker, int(sys.argv[3]), float(sys.argv[4]))
        case "busy" | "logging":
            found = busy(broker, int(sys.argv[3]), sys.argv[4], address, log_decisions=what == "logging")
            print(orjson.dumps(found).decode())
        case _:
            print(orjson.dumps(started(broker, sys.argv[4], what)).decode())


if __name__ == "__main__":
    main()
