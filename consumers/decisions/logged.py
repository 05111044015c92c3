"""A decision as it is put on record: by reference, with all that it was made from."""

import math

from consumers.gate import Decision
from ledger.reference import References
from schemas.distributed import LoggedDecision


def logged(
    decision: Decision, references: References, gateway: str, process: str, shadow: bool = False,
    rechecks: str | None = None,
) -> LoggedDecision:  # fmt: skip
    """What is logged of a decision; `gateway` and `process` say who made it, `rechecks` which one it makes again.

    The age of the copy is rounded up to a whole millisecond, so that it is past a limit exactly if the age itself was.
    """
    staleness = decision.staleness_s
    return LoggedDecision.model_construct(
        decision_id=decision.decision_id, gateway=gateway, process=process, kind=decision.kind,
        subject=references.of(decision.kind, decision.contact), channel=decision.channel, purpose=decision.purpose,
        brand=decision.brand, sender=decision.sender, jurisdiction=decision.jurisdiction, at=decision.at,
        allowed=decision.verdict.allowed, reason=decision.reason, rule=decision.rule, policy=decision.policy,
        evidence=decision.evidence, watermark=dict(decision.watermark),
        staleness_ms=math.ceil(staleness * 1000) if math.isfinite(staleness) else None, shadow=shadow,
        rechecks=rechecks,
    )  # fmt: skip
