"""What a projector tells about itself: counters and gauges named prefledger_projector_…, for Prometheus."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumers.projector.following import Lag, Telling


class ProjectorMetrics:
    """The metrics of one projector, in a registry of their own; it is told of every turn, and tells it on."""

    def __init__(self, tell: Telling) -> None:
        self.registry = CollectorRegistry()
        self.is_following = False
        self._tell = tell
        prefix, registry = "prefledger_projector_", self.registry
        self._events = Counter(f"{prefix}events_applied", "Entries that came into the rows.", registry=registry)
        self._turns = Counter(f"{prefix}turns", "Transactions in which they came.", registry=registry)
        self._lag = Gauge(f"{prefix}lag_events", "Entries that the rows have not yet.", registry=registry)
        self._lag_time = Gauge(
            f"{prefix}lag_seconds", "How long the oldest entry of the last turn had waited; 0 where nothing waits.",
            registry=registry,
        )  # fmt: skip
        self._reached_at = Gauge(
            f"{prefix}reached_timestamp_seconds", "When it last reached ledger and database.", registry=registry
        )

    def __call__(self, events: int, lag: Lag) -> None:
        """Of a turn, also one that found nothing new."""
        if events:
            self._events.inc(events)
            self._turns.inc()
        self._lag.set(lag.events)
        self._lag_time.set(lag.ms / 1000)
        self._reached_at.set(time.time())
        self._tell(events, lag)
