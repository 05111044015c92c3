"""What decisions depend on besides preferences: the policy, the procedures, the senders, the stop switch. Pure."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

from projections.history import ScopeKey, entries, moment, scope_key
from projections.membership import Moment
from projections.standing import standing
from projections.statement import Fields
from schemas.events import OPERATOR_POLICY, OPERATOR_PROCEDURES, OPERATOR_SENDERS, OPERATOR_TRAFFIC
from schemas.policy import Policy

NONE = Policy.model_validate(
    {
        "name": "none",
        "version": "0",
        "brand": "none",
        "brands": ["none"],
        "channels": [],
        "purposes": {},
        "effective_from": 0,
    }
)
"""In force before any policy is: silence is never consent, and nothing is exempt."""


class Switch(NamedTuple):
    """A halt or a resumption of a scope."""

    halts: bool
    scope: ScopeKey
    at: Moment
    event_id: str


class Reference:
    """The operator's subjects, as states keyed by subject, made ready for questions."""

    def __init__(self, states: Mapping[str, Sequence[Fields]]) -> None:
        self._states = states

    def entries(self, subject: str) -> Sequence[Fields]:
        """The entries of one of the operator's subjects that stand, in the order of the log.

        An event of a type that does not belong there is none of them: it must not stop every decision.
        """
        stands = standing(entries(self._states.get(subject, ())))
        return [entry for entry in stands if entry["type"] in _BELONGS.get(subject, (entry["type"],))]

    @cached_property
    def policies(self) -> list[Policy]:
        """Every policy that was published, in the order in which they take effect."""
        published = [Policy.model_validate(entry["policy"]) for entry in self.entries(OPERATOR_POLICY)]
        return sorted(published, key=lambda policy: policy.effective_from)  # stable: of equals the last one counts

    def policy(self, at: int) -> Policy:
        """The policy in force at a time: the last one effective by then."""
        place = bisect_right(self._effective, at)
        return self.policies[place - 1] if place else NONE

    @cached_property
    def _effective(self) -> list[int]:
        return [policy.effective_from for policy in self.policies]

    def procedure(self, label: str, at: int) -> Literal["current", "withdrawn", "unknown"]:
        """Whether NAME@VERSION was published and not withdrawn at a time; publishing again reinstates."""
        standing: Literal["current", "withdrawn", "unknown"] = "unknown"
        said = [entry for entry in self.entries(OPERATOR_PROCEDURES) if entry["procedure"] == label]
        for entry in sorted(said, key=lambda entry: int(entry["occurred_at"])):
            if entry["occurred_at"] <= at:
                standing = _STANDINGS.get(entry["type"], standing)
        return standing

    @cached_property
    def switches(self) -> list[Switch]:
        """The stop switch's history, in the order of the log."""
        parts = self._states.get(OPERATOR_TRAFFIC, ())
        return [
            Switch(_halts(entry), scope_key(entry), moment(entry, parts[0]["partition"]), entry["event_id"])
            for entry in self.entries(OPERATOR_TRAFFIC)
        ]

    def halts(self, at: int) -> list[Switch]:
        """The halts in force: a resumption ends those of exactly its scope before it on both clocks."""
        reached = [switch for switch in self.switches if switch.at.occurred <= at]
        return [halt for halt in reached if halt.halts and not any(_ends(other, halt) for other in reached)]

    @cached_property
    def senders(self) -> dict[str, list[Fields]]:
        """What was said of each sender, in the order of the log."""
        said: dict[str, list[Fields]] = {}
        for entry in self.entries(OPERATOR_SENDERS):
            said.setdefault(entry["sender"], []).append(entry)
        return said

    def sender_passes(self, sender: str | None, at: int, policy: Policy) -> bool:
        """Whether a sender is assigned and takes replies; one that nobody registered passes if policy says so."""
        if sender is None:
            return True
        said = sorted(
            (entry for entry in self.senders.get(sender, ()) if entry["occurred_at"] <= at),
            key=lambda entry: (entry["occurred_at"], entry["type"] == "SenderSuspended"),
        )
        registered = [entry for entry in said if entry["type"] == "SenderRegistered"]
        if not said or (not registered and said[-1]["type"] != "SenderSuspended"):
            return policy.unknown_senders_pass
        verified = any(entry["type"] == "SenderVerified" for entry in said)
        suspended = said[-1]["type"] == "SenderSuspended"
        return verified and not suspended and bool(registered[-1]["takes_replies"])


_BELONGS = {
    OPERATOR_POLICY: {"PolicyPublished"},
    OPERATOR_PROCEDURES: {"ProcedurePublished", "ProcedureWithdrawn", "ProcedureAcknowledged"},
    OPERATOR_SENDERS: {"SenderRegistered", "SenderVerified", "SenderSuspended"},
    OPERATOR_TRAFFIC: {"TrafficHalted", "TrafficResumed"},
}
_STANDINGS: dict[str, Literal["current", "withdrawn"]] = {
    "ProcedurePublished": "current",
    "ProcedureWithdrawn": "withdrawn",
}


def _halts(entry: Fields) -> bool:
    return bool(entry["type"] == "TrafficHalted")


def _ends(resumption: Switch, halt: Switch) -> bool:
    return (
        not resumption.halts
        and resumption.scope == halt.scope
        and resumption.at.occurred > halt.at.occurred
        and resumption.at.recorded_after(halt.at)
    )
