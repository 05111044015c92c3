"""How the worker's clients get in to the broker: one description, as Faust and as aiokafka take it."""

import ssl
from typing import Any

import faust
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from ledger.broker import Broker


def credentials(broker: Broker) -> dict[str, Any]:
    """Settings of a Faust application."""
    if broker.security_protocol == "PLAINTEXT":
        return {}
    context = _context(broker) if broker.security_protocol.endswith("SSL") else None
    if broker.sasl_mechanism is None:
        return {"broker_credentials": faust.SSLCredentials(context)}
    said = faust.SASLCredentials(
        username=broker.sasl_username,
        password=broker.password(),
        mechanism=broker.sasl_mechanism,
        ssl_context=context,
    )
    return {"broker_credentials": said}


def options(broker: Broker) -> dict[str, Any]:
    """Options of aiokafka's own clients."""
    said = credentials(broker).get("broker_credentials")
    return {"bootstrap_servers": list(broker.servers), **credentials_to_aiokafka_auth(said)}


def _context(broker: Broker) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if broker.ca_file is None else str(broker.ca_file))
    if broker.cert_file is not None:
        context.load_cert_chain(str(broker.cert_file), None if broker.key_file is None else str(broker.key_file))
    return context
