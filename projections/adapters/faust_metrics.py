"""What a worker tells about itself: counters and gauges named prefledger_worker_…, for Prometheus."""

import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from projections.adapters.faust_batch import Batch, Record
from schemas.distributed import Watermark

OLD_S = 0.9


class WorkerMetrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic, in seconds."""
        self.clock = clock
        self.registry = CollectorRegistry()
        self.partitions: dict[int, PartitionMetrics] = {}
        self.is_ready = False
        prefix, registry = "prefledger_worker_", self.registry
        self.events = Counter(f"{prefix}events_folded", "Entries folded and committed.", registry=registry)
        self.rejected = Counter(f"{prefix}rejected", "Entries set aside in the rejected topic.", registry=registry)
        self.transactions = Counter(f"{prefix}transactions", "Transactions committed.", registry=registry)
        self.recovered = Counter(
            f"{prefix}recovered", "Entries of the tables' topics read back before folding.", registry=registry
        )
        self.rebalances = Counter(f"{prefix}rebalances", "Assignments that the group gave out.", registry=registry)
        self.lost = Counter(f"{prefix}partitions_lost", "Partitions given up because of an error.", registry=registry)
        self.fold_time = Histogram(f"{prefix}fold_seconds", "Folding one batch.", registry=registry)
        self.owned = Gauge(f"{prefix}partitions_owned", "Partitions that are being folded.", registry=registry)
        self.lag = Gauge(f"{prefix}lag_events", "Entries not folded yet.", ["partition"], registry=registry)
        self.lag_time = Gauge(
            f"{prefix}lag_seconds", "How long the oldest entry has waited that is not folded yet.", ["partition"],
            registry=registry,
        )  # fmt: skip

    def partition(self, number: int, mark: Watermark) -> "PartitionMetrics":
        """Those of a partition that the worker begins to fold."""
        found = self.partitions[number] = PartitionMetrics(self, mark)
        self.owned.set(len(self.partitions))
        return found

    def forget(self) -> None:
        """The worker owns nothing any more."""
        self.partitions.clear()
        self.owned.set(0)
        self.lag.clear()
        self.lag_time.clear()
        self.is_ready = False

    def measure(self, number: int, end: int | None) -> None:
        """Notes how far a partition is behind the end of the ledger."""
        of = self.partitions.get(number)
        if of is not None and end is not None:
            behind = max(0, end - of.cursor)
            self.lag.labels(number).set(behind)
            self.lag_time.labels(number).set(of.waited(behind > 0))


class PartitionMetrics:
    """What one partition adds to its worker's."""

    def __init__(self, worker: WorkerMetrics, mark: Watermark) -> None:
        self._worker = worker
        self._committed_at = worker.clock()
        self.cursor = mark.offset
        self._read: dict[int, int] = {}
        """When the first entry was recorded (ms) of each batch that is not committed yet, by the batch's end."""
        self._known_at = self._committed_at
        """When it was last known of the oldest entry that waits since when it does, or that none waits."""

    def read(self, batch: Batch) -> None:
        """A batch has come, perhaps for a second time."""
        if batch.records and batch.end > self.cursor:
            self._read[batch.end] = batch.records[0].timestamp

    def waited(self, is_behind: bool) -> float:
        """Seconds since the oldest entry was recorded that is not committed yet, 0 where the partition is not behind.

        While nothing was read of what is there, nobody here knows when that was recorded: then it is the time for which
        that has been so.
        """
        now = self._worker.clock()
        if is_behind and not self._read:
            return now - self._known_at
        self._known_at = now
        return max(0.0, time.time() - min(self._read.values()) / 1000) if is_behind else 0.0

    def folded(self, events: int, seconds: float) -> None:
        """A batch was folded."""
        if events:
            self._worker.fold_time.observe(seconds)

    def committed(self, cursor: int, records: Sequence[Record], rejected: int) -> None:
        """A transaction was committed."""
        self._committed_at = self._worker.clock()
        self.cursor = cursor
        self._read = {end: recorded_at for end, recorded_at in self._read.items() if end > cursor}
        if records:
            self._worker.events.inc(len(records))
            self._worker.rejected.inc(rejected)
        self._worker.transactions.inc()

    def is_old(self) -> bool:
        """Whether the last watermark is so old that readers wait for another."""
        return self._worker.clock() - self._committed_at > OLD_S
