"""A decision as it is put on record: by reference, with all that it was made from."""

import marshal
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from consumers.gate import Decision
from ledger.reference import References
from schemas.decision import RULES, Reason
from schemas.distributed import LoggedDecision
from schemas.subject import SubjectKind


class Facts(NamedTuple):
    """What one says of itself, in plain values: this much goes from the process that decides to the one that logs."""

    decision_id: str
    rechecks: str | None
    kind: SubjectKind
    contact: str
    channel: str
    purpose: str
    brand: str
    sender: str | None
    jurisdiction: str | None
    at: int
    allowed: bool
    reason: Reason
    policy: str
    evidence: tuple[str, ...]
    watermark: Mapping[int, int]
    staleness_s: float


def packed(decision: Decision, rechecks: str | None) -> bytes:
    """The facts of a decision, for another process of this very Python; takes two microseconds."""
    facts = _facts(decision, rechecks)
    try:
        return marshal.dumps(facts)
    except ValueError:  # a caller asked with strings that are more than strings: members of an enumeration
        return marshal.dumps(tuple(str.__str__(each) if isinstance(each, str) else each for each in facts))


def unpacked(facts: bytes) -> Facts:
    """What was packed."""
    return Facts._make(marshal.loads(facts))  # noqa: S302 - from our own process


def _facts(decision: Decision, rechecks: str | None) -> tuple[Any, ...]:
    verdict = decision.verdict
    return (
        decision.decision_id, rechecks, decision.kind, decision.contact, decision.channel, decision.purpose,
        decision.brand, decision.sender, decision.jurisdiction, decision.at, verdict.allowed, verdict.reason,
        verdict.policy, verdict.evidence, decision.watermark, decision.staleness_s,
    )  # fmt: skip


def logged(
    decision: Decision, references: References, gateway: str, process: str, shadow: bool = False,
    rechecks: str | None = None,
) -> LoggedDecision:  # fmt: skip
    """What is logged of a decision; `gateway` and `process` say who made it, `rechecks` which one it makes again."""
    return on_record(Facts._make(_facts(decision, rechecks)), references, gateway, process, shadow)


def on_record(facts: Facts, references: References, gateway: str, process: str, shadow: bool) -> LoggedDecision:
    """As `logged`, of its facts.

    The age of the copy is rounded up to a whole millisecond, so that it is past a limit exactly if the age itself was.
    """
    staleness = facts.staleness_s
    return LoggedDecision.model_construct(
        decision_id=facts.decision_id, gateway=gateway, process=process, kind=facts.kind,
        subject=references.of(facts.kind, facts.contact), channel=facts.channel, purpose=facts.purpose,
        brand=facts.brand, sender=facts.sender, jurisdiction=facts.jurisdiction, at=facts.at, allowed=facts.allowed,
        reason=facts.reason, rule=RULES[facts.reason], policy=facts.policy, evidence=facts.evidence,
        watermark=dict(facts.watermark),
        staleness_ms=math.ceil(staleness * 1000) if math.isfinite(staleness) else None, shadow=shadow,
        rechecks=facts.rechecks,
    )  # fmt: skip
