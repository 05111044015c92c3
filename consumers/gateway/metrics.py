"""What a gateway process counts and measures, for Prometheus. No number, no reference stands in a metric."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consumers.gateway.gateway import Gateway

STATES = ("starting", "current", "stale", "ended")
PREFIX = "prefledger_gateway_"
GAUGES = {
    "staleness_seconds": "How old the copy is; +Inf before it was current, and past its lease.",
    "lease_seconds": "What the policy allows at most.",
    "knows_switch": "1 while it may allow anything.",
    "clock_off_seconds": "What is added to this machine's clock to have the broker's.",
    "changes_pending": "Changed subjects that are not in the tables yet.",
    "parts_waiting": "Parts of states that wait for a watermark.",
    "copy_bytes": "Size of the tables.",
}
COUNTERS = {
    "receipts": "Receipts that the broker has.",
    "unreadable_records": "Records of the tables that cannot be read.",
    "decisions_logged": "Decisions that the broker has.",
    "decisions_dropped": "Decisions that were not logged.",
}


def registry(gateway: Gateway) -> CollectorRegistry:
    """A registry of its own, asked when somebody looks: a decision counts in a dict and nowhere else."""
    made = CollectorRegistry()
    made.register(_OfGateway(gateway))
    return made


class _OfGateway(Collector):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        gateway, facts = self._gateway, self._gateway.running.facts()
        yield _labelled("decisions", "Decisions by reason.", "reason", dict(gateway.counts), CounterMetricFamily)
        now = gateway.state
        yield _labelled("state", "1 for the state that it is in.", "state", {each: each == now for each in STATES})
        watermark = {str(partition): offset for partition, offset in gateway.running.replica.watermark().items()}
        yield _labelled("watermark", "How far the ledger's partition is applied.", "partition", watermark)
        for name, help_ in GAUGES.items():
            yield GaugeMetricFamily(PREFIX + name, help_, facts[name])
        counted = facts | ({} if gateway.journal is None else gateway.journal.facts())
        for name, help_ in COUNTERS.items():
            if name in counted:
                yield CounterMetricFamily(PREFIX + name, help_, counted[name])


def _labelled(
    name: str, help_: str, label: str, values: Mapping[str, float],
    family: type[GaugeMetricFamily] | type[CounterMetricFamily] = GaugeMetricFamily,
) -> Metric:  # fmt: skip
    made = family(PREFIX + name, help_, labels=[label])
    for each, value in values.items():
        made.add_metric([each], value)
    return made
