"""A real broker for the whole run: a given one, else from Maven, else from Docker; with CI set one must be there."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.broker import Broker
from schemas.topics import Topics
from stack.kafka import Kafka, NoJavaError, given_address
from stack.processes import free_port, listens, wait_until
from tests.consumers.commands import Commands
from tests.left_out import leave_out

IMAGE = "apache/kafka:4.1.0"
HOW = "install java and mvn (Debian: openjdk-17-jdk-headless, maven), or set PREFLEDGER_TEST_KAFKA=host:port"


@pytest.fixture(scope="session")
def broker_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a broker that all tests of this run share."""
    given = given_address()
    if given:
        yield given
        return
    try:
        with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
            yield kafka.address
    except NoJavaError as error:
        if (
            not shutil.which("docker")
            or subprocess.run(["docker", "info"], check=False, capture_output=True).returncode
        ):
            leave_out(f"no broker: {error}; {HOW}")
        yield from _from_docker()


def _from_docker() -> Iterator[str]:
    port = free_port()
    command = ["docker", "run", "--rm", "--detach", "--publish", f"127.0.0.1:{port}:9092", IMAGE]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        wait_until(lambda: listens(port), 60, "Kafka in Docker takes connections")
        yield f"127.0.0.1:{port}"
    finally:
        subprocess.run(["docker", "stop", container], check=False, capture_output=True)


@pytest.fixture
def broker(broker_address: str) -> Broker:
    """The shared broker, with topics of this test's own."""
    return Broker((broker_address,), Topics(f"t-{uuid.uuid4().hex[:12]}"))


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Kafka]:
    """A broker of this test alone, to be killed and started again."""
    try:
        # The cleaner looks every second and not every 15, for the test that waits for it.
        kafka = Kafka(tmp_path / "kafka", {"log.cleaner.backoff.ms": "1000"}).start()
    except NoJavaError as error:
        leave_out(f"no broker: {error}; {HOW}")
    yield kafka
    kafka.stop()


@pytest.fixture
def typed(commands: Commands, broker: Broker) -> Commands:
    """Commands of whoever looks after this broker's ledger."""
    commands.home.mkdir()
    (commands.home / "secret").write_text(bytes(range(32)).hex())
    commands.environment.setenv("PREFLEDGER_LEDGER_URL", f"kafka://{broker.name}")
    commands.environment.setenv("PREFLEDGER_TOPICS_PREFIX", broker.topics.prefix)
    return commands
