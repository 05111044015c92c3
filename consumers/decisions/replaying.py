"""Decisions made once more, from the ledger as known at their own watermark: same inputs, same answer, bit for bit.

What a decision was made from is in its record: the message, the time, the watermark, how old the copy was. The age of
the copy is an input like the others and is not asked again: a decision that was `stale` then is `stale` when it is
replayed, and one that was `halted` is so if the stop switch was on at that time by what was known at that watermark.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ledger.decisions import Stored, UnreadableDecisionError
from ledger.log import Log
from projections.known import Known, up_to
from projections.question import Coverage, Question
from projections.resolve import resolve
from schemas.decision import RULES, Verdict
from schemas.distributed import LoggedDecision
from schemas.policy import Policy

COMPARED: Final = ("allowed", "reason", "rule", "policy", "evidence")


class Difference(NamedTuple):
    """A field of an answer that comes out otherwise."""

    field: str
    logged: object
    replayed: object

    def in_words(self) -> str:
        """Both of them."""
        return f"{self.field}: logged {_shown(self.logged)}, replayed {_shown(self.replayed)}"


class Replayed(NamedTuple):
    """A logged decision and what the ledger says to it now; `ahead`: the ledger ends before its watermark."""

    decision: LoggedDecision
    verdict: Verdict
    ahead: bool

    def differences(self) -> list[Difference]:
        """All that is not the same; none where the decision is what it must have been."""
        was, now = said_by(self.decision), said_by_verdict(self.verdict)
        found = [Difference(name, was[name], now[name]) for name in COMPARED if was[name] != now[name]]
        if self.ahead:
            found.append(Difference("watermark", _marks(self.decision.watermark), "the ledger ends before it"))
        return found


class Replayer:
    """Replays decisions of one ledger; about none that was logged after it was made."""

    def __init__(self, log: Log) -> None:
        """Raises UnavailableError."""
        self._known = Known(log)
        self._ends = log.ends()

    def replay(self, decision: LoggedDecision) -> Replayed:
        """Makes a decision once more. Raises UnavailableError."""
        cut = up_to(decision.watermark)
        reference = self._known.reference(cut)
        policy = reference.policy(decision.at)
        verdict = resolve(
            self._known.contact(decision.subject, cut), self._known.accounts(cut), reference,
            question_of(decision, policy), was_stale(decision, policy),
        )  # fmt: skip
        ahead = any(offset > self._ends.get(partition, 0) for partition, offset in decision.watermark.items())
        return Replayed(decision, verdict, ahead)


class Summary:
    """What came of many."""

    def __init__(self) -> None:
        self.decisions = 0
        self.differing = 0
        self.unreadable: list[str] = []
        """Of each that could not be read, why; the first hundred."""


def replay_all(log: Log, stored: Iterable[Stored], summary: Summary) -> Iterator[Replayed]:
    """Those of many decisions that come out otherwise; counts all of them. Raises UnavailableError."""
    replayer: Replayer | None = None
    for one in stored:
        replayer = replayer or Replayer(log)  # after the reading has begun: the ledger is at least as far as they are
        summary.decisions += 1
        try:
            found = replayer.replay(one.read())
        except UnreadableDecisionError as error:
            summary.differing += 1
            if len(summary.unreadable) < 100:
                summary.unreadable.append(str(error))
            continue
        if found.differences():
            summary.differing += 1
            yield found


def question_of(decision: LoggedDecision, policy: Policy) -> Question:
    """What was asked, under the policy that holds for it."""
    coverage = Coverage(decision.brand, decision.channel, decision.purpose)
    return Question(
        policy, decision.at, coverage, decision.channel, decision.purpose, decision.sender, decision.jurisdiction
    )


def was_stale(decision: LoggedDecision, policy: Policy) -> bool:
    """Whether the copy was older than the policy allows; one that never was current is."""
    staleness = decision.staleness_ms
    return staleness is None or staleness > policy.max_staleness_s(decision.purpose) * 1000


def said_by(decision: LoggedDecision) -> Mapping[str, object]:
    """The answer of a logged decision."""
    return {name: getattr(decision, name) for name in COMPARED}


def said_by_verdict(verdict: Verdict) -> Mapping[str, object]:
    """The same fields of a verdict."""
    return {
        "allowed": verdict.allowed, "reason": verdict.reason, "rule": RULES[verdict.reason], "policy": verdict.policy,
        "evidence": verdict.evidence,
    }  # fmt: skip


def as_json(found: Replayed) -> dict[str, Any]:
    """A decision that came out otherwise, as one line of `replay --decisions --json`."""
    return {
        "decision_id": found.decision.decision_id,
        "ref": found.decision.subject,
        "gateway": found.decision.gateway,
        "differences": [difference._asdict() for difference in found.differences()],
    }


def _marks(watermark: Mapping[int, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in sorted(watermark.items())}


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
