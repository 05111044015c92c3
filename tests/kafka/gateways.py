"""Gateways in this process, and in processes of their own, upon real topics that a test fills."""

import http.client
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from consumers.adapters.kafka_feed import KafkaFeed
from consumers.adapters.kafka_receipts import CLOCK_KEY
from consumers.bootstrap.gateway import ports
from consumers.gateway import Gateway
from consumers.gateway.ports import Place
from ledger.adapters.kafka_client import consumer, library
from ledger.broker import Broker
from schemas.distributed import LoggedDecision, Receipt
from stack.processes import LOOPBACK, Process, free_port
from tests.consumers.asking import REFERENCES

NUMBER = "+14165550123"
LONG = 60.0


def gateway(broker: Broker, folder: Path, name: str = "sms-1", log_decisions: bool = False, **said: Any) -> Gateway:  # noqa: ANN401
    """Not started yet."""
    return Gateway(name, ports(broker, log_decisions), REFERENCES, folder / f"{name}.snapshot", **said)


class NumbersLast(KafkaFeed):
    """The tables, but by-number is not read as long as a file is there."""

    def __init__(self, broker: Broker, file: Path) -> None:
        super().__init__(broker)
        self._file, self._held = file, list[tuple[Place, Sequence[Any]]]()

    def poll(self, seconds: float) -> Sequence[tuple[Place, Sequence[Any]]]:
        """What has come, and what was held back once the file is gone."""
        found, waits = [*self._held, *super().poll(seconds)], self._file.exists()
        self._held = [each for each in found if waits and each[0].table == "by-number"]
        return [each for each in found if each not in self._held]

    def position(self, place: Place) -> int:
        """Before what is held back."""
        return next((records[0].offset for held, records in self._held if held == place), super().position(place))


def offers(gateway: Gateway, contact: str = NUMBER, **said: Any) -> str:  # noqa: ANN401
    """The reason of what is said about a promotional message."""
    return gateway.decide(contact, channel="sms", purpose="marketing.offers", **said).reason


def codes(gateway: Gateway, contact: str = NUMBER) -> str:
    """The reason of what is said about a one-time code."""
    return gateway.decide(contact, channel="sms", purpose="service.codes").reason


def receipts(broker: Broker) -> list[Receipt]:
    """All that was told, without what those who confirm ask of the broker's clock."""
    return _all(broker, broker.topics.receipts, Receipt.model_validate_json)


def decisions(broker: Broker) -> list[LoggedDecision]:
    """All that was logged."""
    return _all(broker, broker.topics.decisions, LoggedDecision.model_validate_json)


def _all(broker: Broker, topic: str, read: Callable[[bytes], Any]) -> list[Any]:
    reader = consumer(broker, isolation_level="read_committed")
    place = library().TopicPartition(topic, 0)
    reader.assign([place])
    reader.seek_to_beginning(place)
    end, found = reader.end_offsets([place])[place], []
    while reader.position(place) < end:
        found += [read(record.value) for record in reader.poll(200).get(place, ()) if record.key != CLOCK_KEY]
    reader.close()
    return found


def readers(pid: int, module: str = "gateway.feeding") -> list[int]:
    """The processes that read the tables for a gateway in that process, each by what it runs."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == pid and module.encode() in stat.with_name("cmdline").read_bytes():
                found.append(int(stat.parent.name))
    return found


class Said(NamedTuple):
    """What a gateway process answers over HTTP."""

    status: int
    type: str | None
    document: Any


def post(port: int, path: str, body: bytes) -> Said:
    """A request to a gateway process. Raises OSError where nobody answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return Said(answer.status, answer.headers["Content-Type"], orjson.loads(answer.read()))
    finally:
        connection.close()


def reason(port: int, purpose: str = "marketing.offers") -> str | None:
    """What a gateway process answers; None where nobody does."""
    question = {"contact": NUMBER, "channel": "sms", "purpose": purpose}
    try:
        return str(post(port, "/v1/decisions", orjson.dumps(question)).document["reason"])
    except OSError:
        return None


class Ran:
    """A gateway process."""

    def __init__(self, broker: Broker, folder: Path, *options: str, secret: bytes = bytes(range(32))) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "secret").write_text(secret.hex())
        self.folder, self.port = folder, free_port()
        command = [sys.executable, "-m", "consumers.cli.main", "gateway", "run", "sms-1", "--port", str(self.port)]
        command += options
        environment = {
            "PREFLEDGER_HOME": str(folder), "PREFLEDGER_LEDGER_URL": f"kafka://{broker.name}",
            "PREFLEDGER_TOPICS_PREFIX": broker.topics.prefix,
        }  # fmt: skip
        self.process = Process("gateway", command, folder / f"{self.port}.log", environment)

    def says(self, wanted: str, purpose: str = "marketing.offers") -> None:
        self.process.wait_until(lambda: reason(self.port, purpose) == wanted, LONG, f"it says {wanted}")
