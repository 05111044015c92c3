"""A gateway of a distributed ledger: what it is made of."""

import logging
import signal
import sys
import threading
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from consumers.adapters.kafka_feed import KafkaFeed, KafkaLedgerEnds
from consumers.adapters.kafka_out import KafkaReceiptsOut, KafkaRejectedOut
from consumers.bootstrap.opening import secret_of
from consumers.bootstrap.telling import tell_on_stderr
from consumers.gateway import Gateway
from consumers.gateway.ports import Ports
from consumers.settings import Settings
from ledger.adapters.kafka_append import KafkaAppend
from ledger.adapters.kafka_decisions import KafkaDecisions
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.broker import Broker
from ledger.reference import References
from schemas.errors import InputError

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger("prefledger.gateway")
SWITCH_S = 0.000_2
"""How long a thread that applies changes may keep a decision waiting; Python's own default is 5 ms."""


def ports(broker: Broker, log_decisions: bool = True) -> Ports:
    """All of them on Kafka."""
    return Ports(
        feed=partial(KafkaFeed, broker),
        ends=partial(KafkaLedgerEnds, broker),
        receipts=partial(KafkaReceiptsOut, broker),
        appender=partial(KafkaAppend, broker),
        rejected=partial(KafkaRejectedOut, broker),
        decisions=partial(KafkaDecisions, broker) if log_decisions else None,
        table_name=broker.topics.table,
        ledger_version=broker.topics.version,
    )


def checked_feed(broker: Broker) -> KafkaFeed:
    """The tables, once the topics that a gateway leans on have been found right.

    Raises NotALedgerError where they are missing or wrong, UnavailableError.
    """
    names = broker.topics
    with closing(KafkaTopics(broker)) as topics:
        topics.check([names.ledger, names.receipts, *names.tables.values()])
    return KafkaFeed(broker)


def make_gateway(
    settings: Settings, name: str, snapshot: Path | None = None, *, shadow: bool = False, region: str | None = None,
    log_decisions: bool = True,
) -> Gateway:  # fmt: skip
    """A gateway that is not started yet. Raises InputError, WrongSecretError."""
    references = References(secret_of(settings.secret_file, is_new=False))
    path = snapshot or settings.home / f"gateway-{name}.snapshot"
    sys.setswitchinterval(SWITCH_S)
    broker = settings.broker()
    checking = replace(ports(broker, log_decisions), feed=partial(checked_feed, broker))
    return Gateway(name, checking, references, path, shadow=shadow, brand=settings.brand, region=region)


def run_gateway(
    settings: Settings, name: str, port: int, snapshot: Path | None = None, *, shadow: bool = False,
    region: str | None = None, log_decisions: bool = True,
) -> None:  # fmt: skip
    """Answers over HTTP until SIGTERM or SIGINT. Raises InputError, and what has ended it: WrongSecretError, …"""
    import uvicorn

    from consumers.gateway.http import application

    tell_on_stderr(log.name)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    gateway = make_gateway(settings, name, snapshot, shadow=shadow, region=region, log_decisions=log_decisions)
    config = uvicorn.Config(
        application(gateway), host=settings.listen, port=port, log_level="warning", access_log=False, lifespan="off",
        timeout_graceful_shutdown=5, backlog=2048,
    )  # fmt: skip
    server = uvicorn.Server(config)
    try:
        bound = config.bind_socket()
    except SystemExit:  # it has said why
        raise InputError(f"{settings.listen}:{port} cannot be listened on; name another --port") from None
    log.info("%s (process %s) listens on http://%s:%s", name, gateway.process, *bound.getsockname()[:2])
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn ends by them, and raises them again once it has ended
        signal.signal(number, lambda *_: None)
    with gateway:
        watching = threading.Thread(target=_ends_with, args=(gateway, server), daemon=True)
        watching.start()
        server.run(sockets=[bound])
    if gateway.running.failed:
        raise gateway.running.failed


def _ends_with(gateway: Gateway, server: "uvicorn.Server") -> None:
    """A gateway that cannot go on does not go on answering."""
    gateway.running.wait()
    server.should_exit = True
