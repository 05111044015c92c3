"""Tells the ledger which processes of gateways there are: who may decide from when on, and who no longer does."""

import time
from collections.abc import Iterable

from consumers.gateway.ports import Appender
from ledger.log import Appended, Entry
from ledger.reference import References
from ledger.requests import Origin
from ledger.stamp import Draft, Stamp
from schemas.encoding import encode
from schemas.events import OPERATOR_GATEWAYS

REGISTERED, RETIRED = "GatewayRegistered", "GatewayRetired"


def entry(references: References, type_: str, gateway: str, process: str, actor: str = "system:gateway") -> Entry:
    """The event of a process. Its key makes a repetition the same event. Raises RefusedError for a wrong name."""
    now = time.time_ns() // 1_000_000
    fields = {
        "type": type_, "kind": "operator", "subject": OPERATOR_GATEWAYS, "gateway": gateway, "process": process,
        "occurred_at": now, "received_at": now,
    }  # fmt: skip
    draft = Draft(f"{type_}/{process}")
    event = Stamp(references).put(draft, fields, Origin(actor=actor, source="gateway"), None)
    return Entry(event.subject, encode(event), event.event_id, event.idempotency_key, event.content)


def append(
    appender: Appender, references: References, type_: str, gateway: str, processes: Iterable[str],
    actor: str = "system:gateway",
) -> list[Appended]:  # fmt: skip
    """Records an event for each process. Raises UnavailableError; it may be repeated."""
    entries = [entry(references, type_, gateway, process, actor) for process in processes]
    return appender.append(entries) if entries else []
