"""A whole distributed ledger on this machine: a broker, a worker, and gateways that note when they applied what."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import orjson

from bench.events import PARTITIONS
from consumers.settings import Settings
from ledger.broker import Broker
from stack.kafka import Kafka
from stack.processes import LOOPBACK, Process, free_port, listens

COMMAND = str(Path(sys.executable).with_name("prefledger"))
REPOSITORY = Path(__file__).resolve().parents[1]


class Watched:
    """A gateway process of `bench.gateway_child`."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self._log = (folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "bench.gateway_child", name, str(folder / f"{name}.snapshot")]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self._log, env=environment, cwd=REPOSITORY
        )
        self.pid = self._child.pid

    def tell(self, what: dict[str, Any]) -> None:
        """Asks for an answer."""
        assert self._child.stdin is not None
        self._child.stdin.write(orjson.dumps(what) + b"\n")
        self._child.stdin.flush()

    def answer(self) -> Any:  # noqa: ANN401
        """The next one; the first comes when the gateway is current. Raises RuntimeError where it has ended."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} has ended: {Path(self._log.name).read_text()[-2000:]}")
        return orjson.loads(line)

    def close(self) -> None:
        """Ends it."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(60)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._log.close()


class Installation:
    """`with Installation(folder) as one:` starts the broker and makes the topics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka = Kafka(folder / "kafka")
        said = {"HOME": str(folder / "home"), "LEDGER_URL": f"kafka://{self.kafka.address}"}
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFLEDGER_")}
        self.environment |= {f"PREFLEDGER_{name}": value for name, value in said.items()}
        self.settings = Settings(home=folder / "home", ledger_url=said["LEDGER_URL"])
        self._stack = ExitStack()

    @property
    def broker(self) -> Broker:
        """As clients get in."""
        return self.settings.broker()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.kafka)
        command = [COMMAND, "topics", "create", "--partitions", str(PARTITIONS), "--replication-factor", "1"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True, cwd=self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def worker(self) -> Process:
        """Starts one, which ends with the installation."""
        port = free_port()
        command = [COMMAND, "worker", "run", "--metrics-port", str(port), "--standby", "0"]
        process = Process("worker", command, self.folder / "worker.log", self.environment, self.folder)
        self._stack.enter_context(process)
        process.wait_until(lambda: listens(port), 60, f"it listens on {LOOPBACK}:{port}")
        return process

    def gateways(self, first: int, count: int) -> list[Watched]:
        """Starts more, which end with the installation, and waits until they are current."""
        found = [Watched(f"sms-{number}", self.folder, self.environment) for number in range(first, first + count)]
        for one in found:
            self._stack.callback(one.close)
        for one in found:
            one.answer()
        return found
