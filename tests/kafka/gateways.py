"""Gateways in this process upon real topics that a test fills (`written_tables.py`)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from consumers.adapters.kafka_receipts import CLOCK_KEY
from consumers.bootstrap.gateway import ports
from consumers.gateway import Gateway
from ledger.adapters.kafka_client import consumer, library
from ledger.broker import Broker
from schemas.distributed import LoggedDecision, Receipt
from tests.consumers.asking import REFERENCES

NUMBER = "+14165550123"


def gateway(broker: Broker, folder: Path, name: str = "sms-1", log_decisions: bool = False, **said: Any) -> Gateway:  # noqa: ANN401
    """Not started yet."""
    return Gateway(name, ports(broker, log_decisions), REFERENCES, folder / f"{name}.snapshot", **said)


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
