"""What a distributed ledger consists of: the one list from which `make stack` and `docker-compose.yml` are made."""

from typing import NamedTuple

from stack.kafka import VERSION

PARTITIONS = 12
KAFKA_PORT = 9092
WORKERS = 2
GATEWAYS = 3


class Service(NamedTuple):
    """One process: `prefledger` and its arguments.

    `port` answers HTTP at `health` on loopback; `once`: it ends by itself, and the others wait for that.
    """

    name: str
    arguments: tuple[str, ...]
    port: int | None = None
    health: str = "/healthz"
    once: bool = False


def services(offset: int = 0) -> tuple[Service, ...]:
    """All of ours, in the order in which they start; `offset` moves their ports."""
    return (
        Service(
            "topics",
            ("topics", "create", "--partitions", str(PARTITIONS), "--replication-factor", "1"),
            once=True,
        ),
        *(_worker(number, offset) for number in range(1, WORKERS + 1)),
        *(_gateway(number, offset) for number in range(1, GATEWAYS + 1)),
    )


def _worker(number: int, offset: int) -> Service:
    port = 9100 + number + offset
    return Service(f"worker-{number}", ("worker", "run", "--metrics-port", str(port)), port)


def _gateway(number: int, offset: int) -> Service:
    port, name = 8080 + number + offset, f"sms-{number}"
    arguments = ("gateway", "run", name, "--port", str(port), "--snapshot", f"{{home}}/{name}/replica.snapshot")
    return Service(f"gateway-{number}", arguments, port)


KAFKA_IMAGE = f"apache/kafka:{VERSION}"
