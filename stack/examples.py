"""An example of every message, by the name of its shape: what the tests begin with, and what workers make of it."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from schemas.distributed import LoggedDecision, Look, Receipt, RejectedEntry, Said, Watermark
from schemas.encoding import encode
from schemas.events import EVENT_TYPES
from schemas.topics import TABLE_OF, TABLES
from tests import controls

REF: Final = "#/components/schemas/"
Example = dict[str, Any]
POLICY = controls.POLICY.label
SAID: tuple[Said, ...] = (
    Watermark(partition=0, offset=1_043, recorded_at=controls.NOW),
    Watermark(partition=0, offset=1_044, recorded_at=controls.NOW + 2, unchanged={"by-account": 1_043}),
    Receipt(
        gateway="sms-1", process=controls.event_id(99), at=controls.NOW, watermark={0: 1_043, 1: 977}, fresh_for_ms=210,
        lease_ms=30_000, policy=POLICY, state="current",
    ),
    LoggedDecision(
        decision_id=controls.event_id(200), gateway="sms-1", process=controls.event_id(99), kind="number",
        subject=controls.NUMBER_REF, channel="sms", purpose="marketing.offers", brand="acme", sender="12345",
        jurisdiction="CA", at=controls.NOW, allowed=False, reason="revoked_by_account", rule="most-restrictive@1",
        policy=POLICY, evidence=(controls.event_id(2),), watermark={0: 1_043, 1: 977}, staleness_ms=210,
    ),
    LoggedDecision(
        decision_id=controls.event_id(201), gateway="sms-1", process=controls.event_id(99), kind="number",
        subject=controls.NUMBER_REF, channel="sms", purpose="marketing.offers", brand="acme", jurisdiction="CA",
        at=controls.NOW + 60_000, allowed=True, reason="granted", rule="most-restrictive@1", policy=POLICY,
        evidence=(controls.event_id(1),), watermark={0: 1_043, 1: 977}, staleness_ms=90,
        rechecks=controls.event_id(198),
    ),
    RejectedEntry(
        topic="preferences.ledger.v1", partition=0, offset=7, key=controls.NUMBER_REF, reason="no event: not JSON",
        value="e30K",
    ),
    Look(at=controls.NOW, ref=controls.NUMBER_REF, by=f"agent:{controls.AGENT_REF}", what="identity"),
)  # fmt: skip


def examples() -> dict[str, list[Example]]:
    """Of each shape one or more, as AsyncAPI has them; those of states by table (`State in by-number`)."""
    said = {name: _named(name, _events(name)) for name in EVENT_TYPES}
    for name in TABLES:
        said[f"State in {name}"] = _named("State", _states(name))
    for shape in {type(one).__name__: None for one in SAID}:
        values = [
            orjson.loads(one.model_dump_json(exclude_defaults=True)) for one in SAID if type(one).__name__ == shape
        ]
        said[shape] = _named(shape, values)
    return said


def _events(name: str) -> list[Any]:
    return [orjson.loads(encode(events[name])) for events in (controls.EVENTS, controls.BARE)]


def _states(table: str) -> list[Any]:
    """What the first event of each kind of entry folds to."""
    folded = [controls.state(event) for event in controls.BARE.values() if TABLE_OF[event.kind] == table]
    return [part for [part] in folded]


def _named(name: str, values: Sequence[Any]) -> list[Example]:
    return [{"name": f"{name}-{number}", "payload": value} for number, value in enumerate(values, 1)]
