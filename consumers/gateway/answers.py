"""Answers that a gate alone does not give: when nothing is known yet, and in shadow mode."""

import math

from consumers.gate import Asked, Decision
from projections.question import Coverage, Question
from projections.reference_data import NONE
from schemas.decision import Verdict
from schemas.subject import Subject

BLIND = Verdict("stale", NONE.label)


class Unknown(Asked):
    """A kind of message of which it is not known what the policy says."""

    __slots__ = ()

    def __init__(self, channel: str, purpose: str, brand: str | None, sender: str | None) -> None:
        self.policy, self.brand = NONE, brand or ""
        self.asks_jurisdiction, self.max_staleness_s = False, 0.0
        self.question = Question(NONE, 0, Coverage(self.brand, channel, purpose), channel, purpose, sender)


def blind(
    contact: Subject, channel: str, purpose: str, brand: str | None, sender: str | None, at: int,
    jurisdiction: str | None,
) -> Decision:  # fmt: skip
    """No: the stop switch may be thrown, and nobody here knows."""
    asked = Unknown(channel, purpose, brand, sender)
    return Decision(contact.kind, contact.id, asked, at, jurisdiction, BLIND, {}, math.inf)


class Shadowed(Decision):
    """Answered as allowed, whatever was found: beside a system that decides as yet."""

    __slots__ = ()

    @classmethod
    def of(cls, found: Decision) -> "Shadowed":
        """The same decision in shadow mode."""
        made = cls(
            found.kind, found.contact, found._asked, found.at, found.jurisdiction, found.verdict, found.watermark,
            found.staleness_s,
        )  # fmt: skip
        made._id = found._id
        return made

    @property
    def allowed(self) -> bool:
        """Always."""
        return True

    def as_json(self) -> dict[str, object]:
        """With what would have been said under `shadow`."""
        said = super().as_json()
        return said | {"shadow": {"allowed": self.verdict.allowed, "reason": self.reason}}


def valid_for_s(decision: Decision) -> float | None:
    """For how long the message may wait to be sent; None for one that may not go out at all.

    Past it the copy that said yes is older than the policy allows: ask again.
    """
    if not decision.allowed:
        return None
    most = decision._asked.max_staleness_s
    return most if not math.isfinite(decision.staleness_s) else max(0.0, most - decision.staleness_s)
