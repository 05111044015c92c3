"""`make stack`: the whole thing on this machine, without Docker, until it is told to stop.

Kafka from Maven, PostgreSQL from the package index, the topics, workers, gateways and the projector as processes of
their own, all on loopback or a socket, their data in `.stack`.
Started again, it goes on with what it had.
"""

import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from stack.kafka import Kafka
from stack.postgres import Postgres
from stack.processes import LOOPBACK, Process, listens
from stack.services import KAFKA_PORT, Service, services

FOLDER = Path(os.environ.get("STACK_FOLDER", ".stack")).absolute()
OFFSET = int(os.environ.get("STACK_PORTS_FROM", KAFKA_PORT)) - KAFKA_PORT
"""How far all ports are moved, where those of the list are taken."""
READY_S = 120.0


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


def main() -> int:
    """Starts everything, says where it listens, and waits; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        with running(FOLDER) as processes:
            watch(processes)
    except Stopped:
        print("stopped", flush=True)
        return 0
    except (RuntimeError, TimeoutError) as error:
        print(f"the stack did not start, or has ended: {error}", file=sys.stderr)
        return 1
    return 1


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


@contextmanager
def running(folder: Path) -> Iterator[list[Process]]:
    """Every process, all of them ready; they are stopped at the end."""
    with ExitStack() as stack:
        kafka = Kafka(folder / "kafka", port=KAFKA_PORT + OFFSET)
        if listens(kafka.port):
            raise RuntimeError(f"something listens on port {kafka.port} already; stop it first")
        stack.callback(kafka.stop)
        kafka.start()
        print(f"{'kafka':<12} {kafka.address}  process {kafka.process.pid}", flush=True)
        postgres = stack.enter_context(Postgres(folder / "postgres"))
        print(f"{'postgres':<12} {postgres.url}  process {postgres.pid}", flush=True)
        settings = environment(folder / "home", postgres.url)
        ours = _ours(stack, folder, settings)
        _say_where(settings)
        yield [kafka.process, *ours]


def _ours(stack: ExitStack, folder: Path, settings: dict[str, str]) -> list[Process]:
    """Starts what is ours. What ends by itself has ended before the next is started; the others start together: workers
    that came one by one would share the partitions anew each time, and read their tables again."""
    started: list[tuple[Service, Process]] = []
    for service in services(OFFSET):
        process = _started(service, folder, settings)
        stack.callback(_ended, process)
        if service.once:
            _wait(service, process)
        else:
            started.append((service, process))
    for service, process in started:
        _wait(service, process)
        _say_running(service, process)
    return [process for _service, process in started]


def _say_running(service: Service, process: Process) -> None:
    print(f"{service.name:<12} http://{LOOPBACK}:{service.port}  process {process.pid}", flush=True)


def _started(service: Service, folder: Path, settings: dict[str, str]) -> Process:
    home = folder / "home"
    arguments = [argument.replace("{home}", str(home)) for argument in service.arguments]
    command = [str(Path(sys.executable).with_name("prefledger")), *arguments]
    return Process(service.name, command, folder / "logs" / f"{service.name}.log", settings)


def environment(home: Path, database: str) -> dict[str, str]:
    """The settings by which a command finds this stack."""
    return {
        "PREFLEDGER_HOME": str(home),
        "PREFLEDGER_LEDGER_URL": f"kafka://{LOOPBACK}:{KAFKA_PORT + OFFSET}",
        "PREFLEDGER_DATABASE_URL": database,
    }


def _wait(service: Service, process: Process) -> None:
    if service.once:
        end = time.monotonic() + READY_S
        while process.code is None and time.monotonic() < end:
            time.sleep(0.05)
        if process.code != 0:
            raise RuntimeError(f"{service.name} has ended with {process.code}: {process.said()}")
    else:
        process.wait_until(lambda: answers(service.port, "/readyz"), READY_S, "it is ready")


def answers(port: int | None, path: str) -> bool:
    """Whether a service on loopback says that all is well."""
    url = f"http://{LOOPBACK}:{port}{path}"
    with suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
        return bool(response.status == 200)
    return False


def _ended(process: Process) -> None:
    """Ends it. Raises RuntimeError where it does not end well, or had to be killed."""
    if process.code is None and (code := process.stop()) != 0:
        raise RuntimeError(f"{process.name} has ended with {code}: {process.said()}")


def _say_where(settings: dict[str, str]) -> None:
    print("\nEverything is ready. In another terminal:\n", flush=True)
    for name, value in settings.items():
        print(f"  export {name}='{value}'")
    print("  prefledger revoke +14165550123 --json\n  prefledger confirm EVENT_ID --wait 5", flush=True)
    print("  prefledger db share && prefledger db status\n", flush=True)
    print("Ctrl-C stops it; what was recorded stays in", FOLDER.name, flush=True)


def watch(processes: list[Process]) -> None:
    """Until one of them ends, which is an error here. Raises RuntimeError."""
    while True:
        for process in processes:
            if process.code is not None:
                raise RuntimeError(f"{process.name} has ended with {process.code}: {process.said()}")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
