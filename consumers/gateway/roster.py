"""Which processes of gateways there are, and how each of them is. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from consumers.confirmation import Told
from projections.history import entries
from projections.statement import Fields
from schemas.distributed import Receipt
from schemas.times import rfc3339

SINCE_MS = 600_000
"""How far back receipts are looked for: a process that told none for so long is silent."""


class Process(NamedTuple):
    """A process that is registered and not retired; `told`: its last receipt, if there is a recent one."""

    gateway: str
    process: str
    registered_at: int
    told: Told | None

    def state(self, now: int) -> str:
        """As it said; `silent` once its lease has run out since."""
        if self.told is None or (
            now - self.told.at > self.told.receipt.lease_ms and self.told.receipt.state != "ended"
        ):
            return "silent"
        return self.told.receipt.state

    def lag(self, ends: Mapping[int, int]) -> int | None:
        """How many entries of the ledger it has not told to have applied."""
        if self.told is None or not self.told.receipt.watermark:
            return None
        reached = self.told.receipt.watermark
        return sum(max(0, end - reached.get(partition, 0)) for partition, end in ends.items())

    def as_json(self, ends: Mapping[int, int], now: int) -> dict[str, Any]:
        """As `gateway list --json` prints it."""
        receipt: Receipt | None = self.told.receipt if self.told else None
        return {
            "name": self.gateway,
            "process": self.process,
            "state": self.state(now),
            "registered_at": rfc3339(self.registered_at),
            "told_at": rfc3339(self.told.at) if self.told else None,
            "lag": self.lag(ends),
            "lease_s": receipt.lease_ms / 1000 if receipt else None,
            "policy": receipt.policy if receipt else None,
            "watermark": {str(partition): offset for partition, offset in receipt.watermark.items()} if receipt else {},
        }


def roster(parts: Iterable[Fields], told: Iterable[Told]) -> list[Process]:
    """The processes by name and age. `parts`: of the state of `operator:gateways`; `told`: in the order of telling."""
    last = {each.receipt.process: each for each in told}
    found: dict[str, Process] = {}
    for entry in entries(sorted(parts, key=lambda part: int(part["part"]))):
        if entry["type"] == "GatewayRegistered":
            found[entry["process"]] = Process(
                entry["gateway"], entry["process"], entry["recorded_at"], last.get(entry["process"])
            )
        elif entry["type"] == "GatewayRetired":
            found.pop(entry["process"], None)
    return sorted(found.values(), key=lambda one: (one.gateway, one.registered_at))
