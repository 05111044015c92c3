"""A message that may go out or not, with the policy that holds for it at its time. Pure."""

from projections.history import Said, ScopeKey
from schemas.policy import Policy
from schemas.scope import covers
from schemas.times import DAY


class Coverage(dict[ScopeKey, bool]):
    """Which scopes cover a message; each is worked out once, and few ever exist."""

    def __init__(self, brand: str, channel: str, purpose: str) -> None:
        super().__init__()
        self._message = (brand, channel, purpose)

    def __missing__(self, scope: ScopeKey) -> bool:
        covered = all(covers(wide, narrow) for wide, narrow in zip(scope, self._message, strict=True))
        self[scope] = covered
        return covered


class Question:
    """May a message of this brand, channel and purpose go out from this sender at this time?

    All concrete; `sender` and `jurisdiction` may be unknown (None). `at` in milliseconds.
    """

    __slots__ = (
        "at", "channel", "coverage", "jurisdiction", "label", "max_age", "never_needs_consent", "policy", "purpose",
        "sender",
    )  # fmt: skip

    def __init__(
        self, policy: Policy, at: int, coverage: Coverage, channel: str, purpose: str,
        sender: str | None = None, jurisdiction: str | None = None,
    ) -> None:  # fmt: skip
        self.policy = policy
        self.at = at
        self.coverage = coverage
        self.channel = channel
        self.purpose = purpose
        self.sender = sender
        self.jurisdiction = jurisdiction
        self.max_age = policy.max_age_days
        self.label = policy.label
        self.never_needs_consent = policy.never_needs_consent(purpose)

    def again(self, at: int, jurisdiction: str | None) -> "Question":
        """The same message to somebody else, at a time under the same policy: asked a million times, read once."""
        other = Question.__new__(Question)
        other.policy = self.policy
        other.at = at
        other.coverage = self.coverage
        other.channel = self.channel
        other.purpose = self.purpose
        other.sender = self.sender
        other.jurisdiction = jurisdiction
        other.max_age = self.max_age
        other.label = self.label
        other.never_needs_consent = self.never_needs_consent
        return other

    @property
    def turning_points(self) -> list[int]:
        """The moments between which it makes no difference to the answer when a statement occurred, in order.

        Of two statements that differ in their time only, and of which no grant and no leaving is to be set against
        the other, both count or neither if they lie between the same two of these: `reaches` and `in_time` compare
        the time of a statement with nothing else.
        """
        return sorted({self.at + 1, *(self.at - days * DAY for days in self.max_age.values())})

    def reaches(self, said: Said) -> bool:
        """Whether a statement was made by the time of the question and covers the message."""
        return said.at.occurred <= self.at and self.coverage[said.scope]

    def in_time(self, said: Said) -> bool:
        """Whether a statement has not run out: by its own end, or by the age that policy gives its basis."""
        if said.until is not None and self.at > said.until:
            return False
        days = self.max_age.get(said.basis) if said.basis else None  # type: ignore[call-overload]
        return days is None or self.at <= said.at.occurred + days * DAY
