"""A cluster of three brokers, as docs/kafka.md wants one: each has all entries, and two must before an answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ledger.adapters.kafka_client import admin
from ledger.broker import Broker
from stack.kafka import Kafka
from stack.processes import LOOPBACK

BROKERS = 3
CLUSTER = "prefledger-cluster-000"
"""Any id of 22 characters."""
COPIED = {
    **dict.fromkeys(
        ("offsets.topic.replication.factor", "transaction.state.log.replication.factor",
         "share.coordinator.state.topic.replication.factor"), str(BROKERS),
    ),
    "transaction.state.log.min.isr": "2", "min.insync.replicas": "2",
    "broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500", "replica.lag.time.max.ms": "5000",
}  # fmt: skip


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[Broker, list[Kafka]]]:
    """The ledger's address of all brokers, and each of them, to be killed and started again."""
    nodes = [Kafka(folder / f"broker-{number}", COPIED, cluster=CLUSTER) for number in range(1, BROKERS + 1)]
    voters = [f"{number}@{LOOPBACK}:{node.controller_port}" for number, node in enumerate(nodes, 1)]
    for number, node in enumerate(nodes, 1):
        node.settings |= {"node.id": str(number), "controller.quorum.voters": ",".join(voters)}
    with ExitStack() as running:
        for node in nodes:
            running.callback(node.stop)
        with ThreadPoolExecutor(BROKERS) as pool:  # none takes connections before most of them are there
            list(pool.map(Kafka.start, nodes))
        yield Broker(tuple(node.address for node in nodes)), nodes


def are_in_sync(broker: Broker) -> bool:
    """Whether every broker has every entry of the ledger and of its tables."""
    client = admin(broker)
    try:
        found = client.describe_topics([broker.topics.ledger, *broker.topics.tables.values()])
    finally:
        client.close()
    return all(len(one["isr_nodes"]) == BROKERS for topic in found for one in topic["partitions"])
