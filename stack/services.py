"""What a distributed ledger consists of: the one list from which `make stack` and `docker-compose.yml` are made."""

from typing import NamedTuple

from stack.kafka import VERSION

PARTITIONS = 12
KAFKA_PORT = 9092
WORKERS = 2
GATEWAYS = 3


class Service(NamedTuple):
    """One process: `prefledger` and its arguments.

    `port` answers HTTP at `health` on loopback; `once`: it ends by itself; `after`: the services that it waits for,
    ours or not.
    """

    name: str
    arguments: tuple[str, ...]
    port: int | None = None
    health: str = "/healthz"
    once: bool = False
    after: tuple[str, ...] = ("topics",)


def services(offset: int = 0) -> tuple[Service, ...]:
    """All of ours, in the order in which they start; `offset` moves their ports."""
    return (
        Service(
            "topics",
            ("topics", "create", "--partitions", str(PARTITIONS), "--replication-factor", "1"),
            once=True,
            after=("kafka",),
        ),
        *(_worker(number, offset) for number in range(1, WORKERS + 1)),
        *(_gateway(number, offset) for number in range(1, GATEWAYS + 1)),
        Service("database", ("db", "upgrade"), once=True, after=("postgres",)),
        _projector(offset),
    )


def _worker(number: int, offset: int) -> Service:
    port = 9100 + number + offset
    return Service(f"worker-{number}", ("worker", "run", "--metrics-port", str(port)), port)


def _projector(offset: int) -> Service:
    port = 9100 + offset
    return Service("projector", ("projector", "run", "--metrics-port", str(port)), port, after=("topics", "database"))


def _gateway(number: int, offset: int) -> Service:
    port, name = 8080 + number + offset, f"sms-{number}"
    arguments = ("gateway", "run", name, "--port", str(port), "--snapshot", f"{{home}}/{name}/replica.snapshot")
    return Service(f"gateway-{number}", arguments, port)


KAFKA_IMAGE = f"apache/kafka:{VERSION}"
POSTGRES_IMAGE = "postgres:18"
