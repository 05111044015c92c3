"""The topics of a ledger on Kafka with their exact settings: made, described, and compared with what is wanted."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.adapters.kafka_client import MAX_MESSAGE, admin, explained, library
from ledger.broker import Broker
from ledger.errors import NotALedgerError, RefusedError, UnavailableError
from schemas.topics import DEFAULT_PARTITIONS

SECOND, DAY = 1_000, 86_400_000
FOR_EVER = "-1"
ERASABLE_PARTITIONS = 6
RECEIPT_PARTITIONS = 1
LEAST_LAG = 120_000  # milliseconds; how long it has to be beyond that depends on the policy


@dataclass(frozen=True)
class Layout:
    """How the topics are made. Times in seconds, but for days where the name says so."""

    partitions: int = DEFAULT_PARTITIONS
    replication_factor: int = 3
    max_staleness: int = 300
    """The largest `max_staleness_s` that a policy may set: the tables wait for more than twice as long before they are
    compacted, so that no reader within its lease meets a watermark before the records that it speaks of."""
    erasure_days: int = 7
    """Within so many days what was erased is gone from the brokers' disks."""
    decision_days: int = 366
    reply_days: int = 366

    @property
    def insync(self) -> int:
        """How many replicas must have an entry before it is acknowledged: all but one, of one the only one."""
        return max(1, self.replication_factor - 1)


LARGEST = "max.message.bytes"
SHUT = "0"
"""The largest message that a ledger takes which was moved: brokers refuse whatever comes, whoever it is from."""
HEARD_S = 2.0
"""Until all brokers have heard of a setting."""


class Wanted(NamedTuple):
    """A topic as it has to be."""

    name: str
    partitions: int
    settings: dict[str, str]


class Described(NamedTuple):
    """A topic as it is."""

    name: str
    topic_id: str
    partitions: int
    replication_factor: int
    settings: dict[str, str]
    """Those that matter here."""


def wanted(broker: Broker, layout: Layout) -> list[Wanted]:
    """All topics of a ledger."""
    topics = broker.topics
    every = {"min.insync.replicas": str(layout.insync), "max.message.bytes": str(MAX_MESSAGE), "retention.bytes": "-1"}
    kept = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", **every}
    lag = max(LEAST_LAG, (2 * layout.max_staleness + 60) * SECOND)
    table = {
        "cleanup.policy": "compact", "min.compaction.lag.ms": str(lag), "segment.ms": str(max(lag, 600 * SECOND)),
        "min.cleanable.dirty.ratio": "0.3", "delete.retention.ms": str(max(DAY, 2 * lag)), **every,
    }  # fmt: skip
    # A tombstone is kept for a week, for mirrors that were away; a segment is closed each day, so that what was erased
    # stands in one that compaction may touch, and `max.compaction.lag.ms` sees to it that it does.
    erasable = {
        "cleanup.policy": "compact", "segment.ms": str(DAY), "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": str(layout.erasure_days * DAY), "delete.retention.ms": str(7 * DAY), **every,
    }  # fmt: skip
    return [
        Wanted(topics.ledger, layout.partitions, {"retention.ms": FOR_EVER, **kept}),
        *(Wanted(name, layout.partitions, table) for name in topics.tables.values()),
        Wanted(topics.rejected, layout.partitions, {"retention.ms": FOR_EVER, **kept}),
        Wanted(topics.identities, ERASABLE_PARTITIONS, erasable),
        Wanted(topics.evidence, ERASABLE_PARTITIONS, erasable),
        Wanted(topics.receipts, RECEIPT_PARTITIONS, {"retention.ms": FOR_EVER, **kept}),
        Wanted(topics.decisions, layout.partitions, {"retention.ms": str(layout.decision_days * DAY), **kept}),
        Wanted(topics.replies, layout.partitions, {"retention.ms": str(layout.reply_days * DAY), **kept}),
    ]


class KafkaTopics:
    """Makes and looks at the topics of one ledger."""

    def __init__(self, broker: Broker) -> None:
        """Raises UnavailableError."""
        self._broker = broker
        with explained(broker, "look at its topics"):
            self._admin = admin(broker)

    def create(self, layout: Layout) -> list[str]:
        """Makes what is missing of the topics and returns their names. What is there is left as it is.

        Raises RefusedError where the cluster has too few brokers, UnavailableError.
        """
        there = self.describe()
        ledger = there.get(self._broker.topics.ledger)
        if ledger and ledger.partitions != layout.partitions:
            raise RefusedError(
                f"{ledger.name} has {ledger.partitions} partitions, not {layout.partitions}, and their number "
                "cannot be changed: say --partitions as it is, or make a new version of the topics (docs/kafka.md)"
            )
        missing = [topic for topic in wanted(self._broker, layout) if topic.name not in there]
        errors = library().errors
        for topic in missing:
            try:
                with explained(self._broker, "make topics"):
                    self._create(topic, layout.replication_factor)
            except UnavailableError as error:
                if isinstance(error.__cause__, errors.InvalidReplicationFactorError):
                    raise RefusedError(
                        f"the cluster {self._broker.name} has fewer than {layout.replication_factor} brokers: give "
                        "--replication-factor 1 to a single one (an event is then lost with its disk), or add brokers"
                    ) from error
                if not isinstance(error.__cause__, errors.TopicAlreadyExistsError):
                    raise
        return [topic.name for topic in missing]

    def _create(self, topic: Wanted, replication_factor: int) -> None:
        said = {
            "num_partitions": topic.partitions, "replication_factor": replication_factor, "configs": topic.settings,
        }  # fmt: skip
        self._admin.create_topics({topic.name: said}, wait_for_metadata=True)

    def describe(self) -> dict[str, Described]:
        """The topics that are there, by name. Raises UnavailableError."""
        names = [topic.name for topic in wanted(self._broker, Layout())]
        with explained(self._broker, "look at its topics"):
            found = [topic for topic in self._admin.describe_topics(names) if not topic["error_code"]]
            resource = library().admin.ConfigResource
            asked = [resource("topic", topic["name"]) for topic in found]
            settings = self._admin.describe_configs(asked, config_filter="all").get("topic", {}) if asked else {}
        return {topic["name"]: _described(topic, settings.get(topic["name"], {})) for topic in found}

    def check(self, only: Collection[str] = (), even_if_moved: bool = False) -> dict[str, Described]:
        """The topics, if all (or `only` these) are there and nothing has drifted from what a ledger needs.

        Raises NotALedgerError that names topic, setting, found and wanted, or says that the ledger was moved.
        """
        there = self.describe()
        if even_if_moved:
            there = {name: _as_if_open(topic) for name, topic in there.items()}
        for said in drift(self._broker, there, only):
            raise NotALedgerError(f"{said}; mend it with Kafka's own tools, or see docs/kafka.md")
        return there

    def set(self, name: str, settings: Mapping[str, str]) -> None:
        """Changes settings of a topic. Raises UnavailableError."""
        with explained(self._broker, f"change the settings of {name}"):
            resource = library().admin.ConfigResource("topic", name, dict(settings))
            self._admin.alter_configs([resource])

    def shut(self) -> None:
        """From now on the ledger takes nothing, from nobody: it is moved. May be repeated. Raises UnavailableError."""
        self._let_in(SHUT)

    def reopen(self) -> None:
        """Takes `shut` back."""
        self._let_in(str(MAX_MESSAGE))

    def _let_in(self, largest: str) -> None:
        self.set(self._broker.topics.ledger, {LARGEST: largest})
        time.sleep(HEARD_S)

    def close(self) -> None:
        """Lets go of the broker."""
        self._admin.close()


MATTERING = (
    "cleanup.policy", "message.timestamp.type", "retention.ms", "retention.bytes", "min.insync.replicas",
    "max.message.bytes", "min.compaction.lag.ms", "max.compaction.lag.ms", "delete.retention.ms", "segment.ms",
    "min.cleanable.dirty.ratio",
)  # fmt: skip
EXACT = ("cleanup.policy", "message.timestamp.type")
LEAST = ("min.insync.replicas", "max.message.bytes", "min.compaction.lag.ms")


def _described(topic: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> Described:
    partitions = topic["partitions"]
    return Described(
        topic["name"], str(topic["topic_id"]), len(partitions),
        min((len(partition["replica_nodes"]) for partition in partitions), default=0),
        {name: str(settings[name]["value"]) for name in MATTERING if name in settings},
    )  # fmt: skip


def _as_if_open(topic: Described) -> Described:
    is_shut = topic.settings.get(LARGEST) == SHUT
    return topic._replace(settings=topic.settings | {LARGEST: str(MAX_MESSAGE)}) if is_shut else topic


def drift(broker: Broker, there: Mapping[str, Described], only: Collection[str] = ()) -> Iterator[str]:
    """What a ledger cannot work with, one sentence each, of all topics or `only` of these. What an operator may choose
    (how long decisions are kept, how soon what was erased is compacted) is no drift."""
    ledger = there.get(broker.topics.ledger)
    if ledger and ledger.settings.get(LARGEST) == SHUT:
        yield (
            f"the ledger {ledger.name} was moved, or is being moved, to another version of its topics: set "
            f"PREFLEDGER_TOPICS_VERSION to that; if the move was given up, set {LARGEST} of it to {MAX_MESSAGE} again"
        )
        return
    for topic in wanted(broker, Layout(replication_factor=ledger.replication_factor if ledger else 1)):
        if only and topic.name not in only:
            continue
        found = there.get(topic.name)
        if found is None:
            yield (
                f"the topic {topic.name} is missing at {broker.name}, or this user may not see it: run prefledger "
                "topics create, or see the broker's ACLs"
            )
            continue
        if ledger and found.partitions != ledger.partitions and _joined(broker, topic.name):
            yield (
                f"the topic {topic.name} has {found.partitions} partitions, the ledger {ledger.partitions}: they must "
                "be equal"
            )
        if found.partitions != topic.partitions and topic.name in (broker.topics.identities, broker.topics.evidence):
            yield f"the topic {topic.name} has {found.partitions} partitions, and a ledger needs {topic.partitions}"
        yield from _settings_drift(topic, found)


def staleness_limit_s(broker: Broker, there: Mapping[str, Described]) -> float:
    """What a policy's largest `max_staleness_s` must stay below: half of the time before the tables are compacted."""
    lags = [int(there[name].settings["min.compaction.lag.ms"]) for name in broker.topics.tables.values()]
    return min(lags) / (2 * SECOND)


def _joined(broker: Broker, name: str) -> bool:
    """Whether a topic's partitions are those of the ledger, one by one."""
    return name in (*broker.topics.tables.values(), broker.topics.rejected)


def _settings_drift(topic: Wanted, found: Described) -> Iterator[str]:
    for setting, value in topic.settings.items():
        is_ = found.settings.get(setting, "")
        least = str(LEAST_LAG) if setting == "min.compaction.lag.ms" else value
        if setting in EXACT or (setting in ("retention.ms", "retention.bytes") and value == FOR_EVER):
            wrong = is_ != value
        else:
            wrong = setting in LEAST and int(is_ or 0) < int(least)
        if wrong:
            yield f"the topic {topic.name} has {setting}={is_}, and a ledger needs {least}"
