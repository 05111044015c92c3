"""A real Apache Kafka of one node (KRaft), from Maven Central, listening on loopback only."""

import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from stack.processes import LOOPBACK, Process, free_port, listens
from stack.tools import once, run

VERSION = "4.1.0"
ARTIFACT = f"org.apache.kafka:kafka_2.13:{VERSION}"
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>preference-ledger</groupId><artifactId>{name}</artifactId><version>1</version><dependencies>{wanted}</dependencies>
</project>
"""
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
PATIENCE_S = 600
HEAP = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Java's second compiler takes half a processor for a broker's first minutes, which is all that most of ours live."""
ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    **dict.fromkeys(
        ("offsets.topic.replication.factor", "transaction.state.log.replication.factor",
         "transaction.state.log.min.isr", "min.insync.replicas", "default.replication.factor",
         "share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"), "1",
    ),
}  # fmt: skip
"""Settings of a node that is alone; in production they are those of docs/operations.md."""


class NoJavaError(RuntimeError):
    """Java or Maven is missing, and so is every other way to a broker."""


def jars(name: str = f"kafka-{VERSION}", *artifacts: str) -> Path:
    """The folder with the jars of Maven artifacts (`group:artifact:version`), fetched once into `.tools`."""

    def fetch(folder: Path) -> None:
        if not shutil.which("mvn") or not shutil.which("java"):
            raise NoJavaError(
                "Kafka needs java and mvn (Debian: openjdk-17-jdk-headless, maven), or a broker's address"
            )
        wanted = "".join(DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts or (ARTIFACT,))
        (folder / "pom.xml").write_text(POM.format(name=name, wanted=wanted))
        run(["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}"], folder, PATIENCE_S)

    return once(name, fetch)


class Kafka:
    """One broker with its data in a folder; it can be killed and started again upon the same data."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, port: int | None = None,
        protocol: str = "PLAINTEXT", cluster: str | None = None,
    ) -> None:  # fmt: skip
        """`settings` count before those of a node that is alone; `protocol` names the listener of clients.

        `cluster`: the id that nodes of one cluster have in common, by default a new one.
        """
        self.folder = folder
        self._protocol = protocol
        self.port = port or free_port()
        self.controller_port = free_port()
        self._cluster = cluster
        self.settings = dict(settings or {})
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """`host:port`, as clients want it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def process(self) -> Process:
        """The running broker."""
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return self._process

    def start(self) -> Self:
        """Starts it, upon what its folder holds, and waits until it takes connections."""
        library = jars()
        properties = self.folder / "server.properties"
        if not properties.exists():
            self._format(library, properties)
        command = ["java", *HEAP, "-cp", f"{library}/*", "kafka.Kafka", str(properties)]
        self._process = Process("kafka", command, self.folder / "kafka.log")
        self._process.wait_until(lambda: listens(self.port), 180, "it takes connections")
        return self

    def _format(self, library: Path, properties: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        addresses = {
            "listeners": f"{self._protocol}://{self.address},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": f"{self._protocol}://{self.address}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.controller_port}",
            "log.dirs": str(self.folder / "data"),
        }
        lines = (f"{name}={value}" for name, value in {**ONE_NODE, **addresses, **self.settings}.items())
        properties.write_text("\n".join(lines) + "\n")
        tool = ["java", *HEAP, "-cp", f"{library}/*", "kafka.tools.StorageTool"]
        command = [*tool, "format", "-t", self._cluster or _new_cluster(), "-c", str(properties)]
        subprocess.run(command, check=True, capture_output=True)

    def kill(self) -> None:
        """As by a power cut."""
        self.process.kill()

    def stop(self) -> None:
        """Cleanly; `kill` if it takes too long."""
        if self._process is not None:
            self._process.stop(60)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _new_cluster() -> str:
    """As Kafka's own tool makes one, for which a Java would have to start; no dash begins it, which is an option's."""
    made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
    return _new_cluster() if made.startswith("-") else made


def given_address() -> str | None:
    """A broker that the environment names: it is used as it is, and nobody starts another."""
    return os.environ.get("PREFLEDGER_TEST_KAFKA")
