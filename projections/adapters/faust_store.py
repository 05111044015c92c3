"""Where a Faust table keeps its values: in memory, one dictionary a partition, as bytes, as its topic has them.

A store knows the offset of its topic up to which it holds a partition, for what it recovered and for what the worker
wrote itself, so a rebalance reads nothing of what it kept again.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import faust
from faust.stores import STORES
from faust.stores.memory import Store
from faust.types import TP, EventT

from projections.adapters.faust_batch import Batch, Foreign

SCHEME = "partitioned"
NOTHING = -1
log = logging.getLogger("prefledger.worker")


class App(faust.App):
    """A Faust application whose tables are in memory only."""

    def _create_directories(self) -> None:
        """Makes none: Faust would have folders for tables on disk where the worker was started, which may be a place
        that it must not write to."""


class PartitionedStore(Store[bytes, bytes]):
    """The values of one table."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._partitions: dict[int, dict[bytes, bytes]] = {}
        self._passed: dict[int, int] = {}

    def partition(self, partition: int) -> dict[bytes, bytes]:
        """The values of a partition, by key."""
        return self._partitions.setdefault(partition, {})

    def passed(self, partition: int) -> int:
        """The offset of the topic up to which (inclusive) a partition is here."""
        return self._passed.get(partition, NOTHING)

    def written(self, partition: int, values: Mapping[bytes, bytes], passed: int) -> None:
        """Takes over what was committed to the topic."""
        self.partition(partition).update(values)
        self._passed[partition] = passed

    def persisted_offset(self, tp: TP) -> int | None:
        """Where recovery goes on from."""
        return self.passed(tp.partition)

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Takes over what was read of the topic, in order and without gaps."""
        for event in batch:
            message = event.message
            if message.generation_id == self.app.consumer_generation_id:
                self._apply(message.tp, cast(Batch, message.value))

    def _apply(self, tp: TP, batch: Batch) -> None:
        partition, passed = tp.partition, self.passed(tp.partition)
        if batch.start > passed + 1 and passed != NOTHING:
            # Faust empties its queues at every step of a recovery, whatever is in them.
            self._read_again(tp, passed + 1)
            return
        app = cast(Foreign, self.app)
        if tp in app.tables.recovery.active_tps:  # a standby reads along, and nobody waits for it
            app.ownership.recovered(len(batch.records))
        values = self.partition(partition)
        for record in batch.records:
            if record.offset > passed and record.key is not None:
                if record.value is None:
                    values.pop(record.key, None)
                else:
                    values[record.key] = record.value
        self._passed[partition] = max(passed, batch.end - 1)

    def _read_again(self, tp: TP, offset: int) -> None:
        log.debug("reading %s again from offset %d", tp, offset)
        self.add_future(cast(Foreign, self.app.consumer).go_back({tp: offset}))

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Lets go of partitions that are neither this worker's nor its standbys."""
        topic = self.table.changelog_topic.get_topic_name()
        kept = {tp.partition for tp in assigned if tp.topic == topic}
        for partition in self._partitions.keys() - kept:
            del self._partitions[partition]
            self._passed.pop(partition, None)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Nothing: there is nothing of other partitions here."""


def register() -> None:
    """Makes Faust know the store."""
    STORES.aliases[SCHEME] = f"{__name__}:{PartitionedStore.__name__}"
