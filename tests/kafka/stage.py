"""A whole distributed ledger as real processes: a broker, workers, gateways; each can be killed and started again."""

import http.client
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import orjson
import pytest

from consumers.settings import Settings
from stack.kafka import Kafka
from stack.processes import LOOPBACK, Process, free_port
from tests.consumers.commands import Commands

COMMAND = Path(sys.executable).with_name("prefledger")
READY_S = 90.0


class Part:
    """One process of ours, by what starts it; `port` answers HTTP."""

    def __init__(
        self, name: str, arguments: list[str], folder: Path, environment: Mapping[str, str], port: int
    ) -> None:
        self.name, self.port = name, port
        self.arguments, self.environment, self._folder = arguments, environment, folder
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The process that runs now, or ran last."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    def start(self, by: Sequence[str] = (str(COMMAND),), **environment: str) -> None:
        """Starts it, this once by another command or with other settings; whether it is ready is another question."""
        log = self._folder / f"{self.name}.log"
        self._process = Process(self.name, [*by, *self.arguments], log, {**self.environment, **environment})

    def ready(self, seconds: float = READY_S) -> None:
        """Waits until it says that it is ready."""
        self.process.wait_until(lambda: self.get("/readyz")[0] == 200, seconds, "it is ready")

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; (0, b"") where nobody answers."""
        return self._ask("GET", path, None)

    def decide(self, **question: object) -> dict[str, Any] | None:
        """What a gateway answers to a question; None where nobody answers."""
        status, body = self._ask("POST", "/v1/decisions", orjson.dumps(question))
        if status == 0:
            return None
        assert status == 200, body
        found: dict[str, Any] = orjson.loads(body)
        return found

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=3)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


class Stage:
    """Everything in one folder. `with Stage(folder) as stage:` starts it and ends it."""

    def __init__(
        self, folder: Path, workers: int = 2, gateways: int = 3, partitions: int = 4,
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.kafka = Kafka(folder / "kafka")
        self.partitions = partitions
        self.layout: tuple[str, ...] = ()
        """What `topics create` is told besides."""
        self.environment = {
            "PREFLEDGER_HOME": str(folder / "home"),
            "PREFLEDGER_LEDGER_URL": f"kafka://{self.kafka.address}",
            **(environment or {}),
        }
        self.workers = [self._worker(number) for number in range(workers)]
        self.gateways = [self._gateway(number) for number in range(gateways)]

    def _worker(self, number: int) -> Part:
        port = free_port()
        arguments = ["worker", "run", "--metrics-port", str(port)]
        return Part(f"worker-{number}", arguments, self.folder, self.environment, port)

    def _gateway(self, number: int) -> Part:
        port, name = free_port(), f"sms-{number}"
        part = Part(name, [], self.folder, self.environment, port)
        part.arguments += ["gateway", "run", name, "--port", str(port), "--snapshot", str(self.snapshot_of(part))]
        return part

    def snapshot_of(self, gateway: Part) -> Path:
        """Where a gateway keeps its copy between two runs."""
        return self.folder / gateway.name / "replica.snapshot"

    @property
    def settings(self) -> Settings:
        """By which this process opens the same ledger."""
        return Settings(home=self.folder / "home", ledger_url=self.environment["PREFLEDGER_LEDGER_URL"])

    def commands(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
        """Commands on its ledger, in this process."""
        commands = Commands(self.folder / "home", capsys, monkeypatch)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        return commands

    def run(self, *arguments: str, expected: int = 0) -> str:
        """A command, as somebody would type it; its output."""
        log = self.folder / f"command-{time.monotonic_ns()}.log"
        process = Process("prefledger", [str(COMMAND), *arguments], log, self.environment)
        end = time.monotonic() + READY_S
        while process.code is None and time.monotonic() < end:
            time.sleep(0.02)
        assert process.code == expected, f"{arguments}: {process.code}\n{process.said()}"
        return process.said()

    def start(self) -> Self:
        """The broker, the topics, the workers, the gateways; all are ready at the end."""
        self.kafka.start()
        self.run(
            "topics", "create", "--partitions", str(self.partitions), "--replication-factor", "1", *self.layout
        )  # fmt: skip
        self.prepare()
        for part in (*self.workers, *self.gateways):
            part.start()
        for part in (*self.workers, *self.gateways):
            part.ready()
        return self

    def prepare(self) -> None:
        """What else is done to the ledger before anybody reads it."""

    def stop(self) -> None:
        """Ends what still runs, in the order in which nobody misses anything."""
        for part in (*self.gateways, *self.workers):
            if part._process is not None and part.process.code is None:
                part.process.signal(signal.SIGCONT)
                part.process.stop()
        self.kafka.stop()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()
