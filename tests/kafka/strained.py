"""A stage on which more can happen: the line of a gateway can be cut, and the broker compacts all the time.

The people's topics are compacted a second after they were written. The tables cannot be: a ledger does not start on
tables that are compacted within two minutes (a gateway that reads them would meet a watermark before the records that
it speaks of), so they are compacted after exactly these, and not in ten, in segments of seconds.
"""

from contextlib import closing
from importlib import resources
from pathlib import Path

from ledger.adapters.kafka_topics import LEAST_LAG, KafkaTopics
from stack.processes import LOOPBACK
from tests.kafka.relay import Relay
from tests.kafka.stage import Stage

LEASE_S = 30
"""Of every purpose: more than twice as much is the least time after which tables may be compacted."""
BEHIND_A_RELAY = "RELAYED"
OFTEN = {"min.cleanable.dirty.ratio": "0.001", "file.delete.delay.ms": "0"}
TABLES_SOON = {
    "segment.ms": "10000", "min.compaction.lag.ms": str(LEAST_LAG), "max.compaction.lag.ms": str(LEAST_LAG + 10_000),
    **OFTEN,
}  # fmt: skip
PEOPLE_SOON = {"segment.ms": "1000", "max.compaction.lag.ms": "1000", "delete.retention.ms": "1000", **OFTEN}


class Strained(Stage):
    """Its last gateway reaches the broker by `relay` only."""

    def __init__(self, folder: Path, workers: int = 2, gateways: int = 3) -> None:
        super().__init__(folder, workers, gateways)
        self.relay = Relay()
        protocols = ("CONTROLLER", "PLAINTEXT", BEHIND_A_RELAY)
        own = f"PLAINTEXT://{self.kafka.address}"
        self.kafka.settings |= {
            "listeners": f"{own},CONTROLLER://{LOOPBACK}:{self.kafka.controller_port},"
            f"{BEHIND_A_RELAY}://{LOOPBACK}:{self.relay.to}",
            "advertised.listeners": f"{own},{BEHIND_A_RELAY}://{LOOPBACK}:{self.relay.port}",
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in protocols),
            "log.cleaner.backoff.ms": "1000",
        }
        relayed = {"PREFLEDGER_LEDGER_URL": f"kafka://{LOOPBACK}:{self.relay.port}"}
        self.gateways[-1].environment = self.environment | relayed

    def start(self) -> "Strained":
        self.relay.start()
        return super().start()

    def stop(self) -> None:
        super().stop()
        self.relay.stop()

    def prepare(self) -> None:
        """Makes the broker compact, under a policy that the tables' lag is right for."""
        text = resources.files("consumers").joinpath("default_policy.toml").read_text("utf-8")
        policy = self.folder / "policy.toml"
        policy.write_text(
            text.replace("max_staleness_s = 300", f"max_staleness_s = {LEASE_S}").replace('"1"', '"2"', 1)
        )
        self.run("policy", "publish", str(policy))
        names = self.settings.broker().topics
        with closing(KafkaTopics(self.settings.broker())) as topics:
            for name in names.tables.values():
                topics.set(name, TABLES_SOON)
            for name in (names.identities, names.evidence):
                topics.set(name, PEOPLE_SOON)

    def compacted(self) -> set[str]:
        """The topics of which the broker has compacted something; it notes how far each partition is."""
        _version, _count, *noted = (self.kafka.folder / "data" / "cleaner-offset-checkpoint").read_text().splitlines()
        return {topic for topic, _partition, offset in map(str.split, noted) if int(offset) > 0}
