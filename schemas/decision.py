"""The answer to "may this message go out now?", with its reason and the events behind it."""

from typing import Literal, NamedTuple

Reason = Literal[
    "granted",
    "permitted_by_policy",
    "never_needs_consent",
    "halted",
    "stale",
    "revoked_by_number",
    "revoked_by_account",
    "held_for_review",
    "consent_expired",
    "no_consent",
    "sender_unreachable",
]
ALLOWING: frozenset[Reason] = frozenset({"granted", "permitted_by_policy", "never_needs_consent"})

RULES: dict[Reason, str] = {
    "halted": "stop-switch@1",
    "never_needs_consent": "never-needs-consent@1",
    "stale": "freshness@1",
    "revoked_by_number": "most-restrictive@1",
    "revoked_by_account": "most-restrictive@1",
    "held_for_review": "review@1",
    "granted": "most-restrictive@1",
    "consent_expired": "silence@1",
    "no_consent": "silence@1",
    "permitted_by_policy": "silence@1",
    "sender_unreachable": "sender@1",
}
"""The rule of `docs/decision-table.md` that gave each reason, with its version."""


class Verdict(NamedTuple):
    """What the rules say of one message: the reason, the policy it was made under, the ids of the events behind it."""

    reason: Reason
    policy: str
    evidence: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the message may go out."""
        return self.reason in ALLOWING
