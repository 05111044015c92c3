"""What was answered to one question, in the form in which it is on record: so that all of it can be compared."""

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Self

from schemas.decision import Reason
from schemas.distributed import LoggedDecision
from schemas.times import parse_time


class Answer(NamedTuple):
    """An answer of a gateway and what it was made from; the fields of a `LoggedDecision` that whoever asked is told."""

    decision_id: str
    gateway: str
    subject: str
    channel: str
    purpose: str
    brand: str
    at: int
    allowed: bool
    reason: Reason
    rule: str
    policy: str
    evidence: Collection[str]
    watermark: Mapping[int, int]
    staleness_ms: int | None

    @classmethod
    def of_gateway(cls, gateway: str, said: Mapping[str, Any], refs: Mapping[str, str]) -> Self:
        """What a gateway said over HTTP; `refs`: the reference of each number."""
        age_s = said["staleness_s"]
        fields = {
            **said,
            "gateway": gateway,
            "subject": refs[said["subject"]],
            "at": parse_time(said["at"]),
            "evidence": tuple(said["evidence"]),
            "watermark": {int(partition): offset for partition, offset in said["watermark"].items()},
            "staleness_ms": None if age_s is None else math.ceil(age_s * 1_000),
        }
        return cls(**{name: fields[name] for name in cls._fields})

    @classmethod
    def of_record(cls, record: LoggedDecision) -> Self:
        """What is on record."""
        return cls(**{name: getattr(record, name) for name in cls._fields})
