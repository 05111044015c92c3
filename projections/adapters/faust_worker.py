"""The worker: a Faust application with an agent that folds the ledger's topic into three tables.

Everything that is Faust's stays as it is: application, agents, tables, assignor, rebalancing, recovery, standbys. How
entries reach the agent is in `faust_transport.py`, how results leave in `faust_partition.py`. Nothing is imported from
Faust before `build` is called: it reads the program's arguments and the environment.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.broker import Broker
from ledger.errors import UnavailableError
from projections.adapters.faust_batch import Folder, Foreign, States
from projections.adapters.faust_fold import ProductFold
from projections.adapters.faust_metrics import WorkerMetrics
from schemas.topics import Topics

if TYPE_CHECKING:
    import faust

    from projections.adapters.faust_rebuild import Rebuild

FETCH_BYTES = 2_097_152
"""Of one partition: larger batches change a subject that comes often only once."""
LOOK_AGAIN_MS = 10_000
"""How often a worker asks which topics there are. A broker that has just started may know none yet: whoever shares out
the partitions then gives nobody any, and does it again only when it hears otherwise, by default in five minutes."""
log = logging.getLogger("prefledger.worker")


@dataclass(frozen=True)
class Options:
    """How a worker takes part. Times in seconds."""

    standby: int = 1
    """How many other workers hold a copy of each partition's states, ready to go on."""
    session: float = 10.0
    """A worker that was silent for so long is taken for dead; the broker allows 6 or more by default."""
    name: str | None = None
    """Of the application; by default from the topics' prefix. Workers of one name share the work."""
    clock: Callable[[], float] = time.monotonic
    """Monotonic, in seconds: when the next watermarks are due."""


@dataclass(frozen=True)
class Worker:
    """A Faust application, ready to be started in the running loop, and what it tells about itself."""

    app: "faust.App"
    metrics: WorkerMetrics

    async def start(self) -> None:
        """Starts it. What goes wrong crashes the application: Faust tells nobody of a start that has failed, and the
        broker may go just after its topics were found right."""
        from aiokafka.errors import KafkaError

        try:
            await self.app.start()
        except KafkaError as error:
            await self.app.crash(UnavailableError(f"the broker went away at the start: {error}"))
        except Exception as error:
            await self.app.crash(error)


def build(broker: Broker, partitions: int, options: Options | None = None, folder: Folder | None = None) -> Worker:
    """The worker of a ledger of so many partitions; `folder` is what it folds with, by default the product's own."""
    options = options or Options()
    with _without_arguments():
        from projections.adapters import (
            faust_connection,
            faust_ownership,
            faust_partition,
            faust_producing,
            faust_security,
            faust_store,
            faust_transport,
        )
    faust_connection.register()
    faust_transport.register()
    faust_store.register()
    name = options.name or named(broker.topics)
    app: Foreign = faust_store.App(name, **_settings(broker, options), **faust_security.credentials(broker))
    schema = faust_transport.BatchSchema(key_type=bytes, value_type=bytes)
    tables = {
        table: app.Table(
            table, key_type=bytes, value_type=bytes, partitions=partitions, store=f"{faust_store.SCHEME}://memory",
            changelog_topic=app.topic(topic, schema=schema, acks=False, partitions=partitions),
            recovery_buffer_size=2, standby_buffer_size=1,
        )
        for table, topic in broker.topics.tables.items()
    }  # fmt: skip
    metrics = WorkerMetrics(options.clock)
    ownership = faust_ownership.Ownership(
        app,
        faust_producing.Producing(name, faust_security.options(broker)),
        faust_partition.Writes(
            broker.topics, name, {table: made.data for table, made in tables.items()}, options.clock
        ),
        folder or ProductFolder(broker.topics.ledger),
        metrics,
    )
    app.ownership = ownership
    _add_agent(app, app.topic(broker.topics.ledger, schema=schema, acks=False, partitions=partitions), ownership)
    return Worker(app, metrics)


def named(topics: Topics) -> str:
    """The name of the workers of a ledger: their group, and what their transactional ids begin with."""
    return f"{topics.prefix}-worker-v{topics.version}"


def rebuilding(broker: Broker, ledger: str, topics: Topics) -> "Rebuild":
    """What fills the empty tables of `topics` from the topic `ledger`."""
    with _without_arguments():
        from projections.adapters import faust_connection, faust_producing, faust_rebuild, faust_security
    faust_connection.register()
    producing = faust_producing.Producing(named(topics), faust_security.options(broker))
    return faust_rebuild.Rebuild(ledger, topics, producing)


def _settings(broker: Broker, options: Options) -> dict[str, Any]:
    from projections.adapters.faust_transport import SCHEME

    return {
        "broker": [f"{SCHEME}://{server}" for server in broker.servers],
        "table_standby_replicas": options.standby, "broker_session_timeout": options.session,
        "broker_heartbeat_interval": options.session / 4, "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": FETCH_BYTES, "consumer_metadata_max_age_ms": LOOK_AGAIN_MS,
        "stream_buffer_maxsize": 4, "stream_wait_empty": True,
        "stream_recovery_delay": 0.0, "topic_allow_declare": False, "topic_disable_leader": True,
        "web_enabled": False, "recovery_consistency_check": False, "autodiscover": False,
    }  # fmt: skip


def _add_agent(app: Foreign, topic: Foreign, ownership: Foreign) -> None:
    async def fold(stream: Foreign) -> None:
        """Hands each batch to its partition, which outlives the agent's own idea of acknowledging."""
        async for event in stream.noack().events():
            await ownership.put(event.message.partition, event.value)

    app.agent(topic, name="fold")(fold)

    async def measure() -> None:
        ownership.measure()

    app.timer(1.0)(measure)


@dataclass(frozen=True)
class ProductFolder:
    """Makes the product's folds."""

    topic: str

    def __call__(self, partition: int, states: States, recorded_at: int) -> ProductFold:
        """The fold of a partition."""
        return ProductFold(self.topic, partition, states, recorded_at)


@contextmanager
def _without_arguments() -> Iterator[None]:
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = arguments
