"""Whether a message went out against a no, by what the ledger knew when it went out; and since when it knew that.

A send at T is a violation if the rules, asked about T with what had been recorded before T, say `revoked_by_number` or
`revoked_by_account`: on any level, that of an account which the contact had left included. What was recorded later (a
no that was entered late, a correction, a link) makes no message of before it a violation, and excuses none.

The stop switch and the age of copies are left out: who had said no had said no. On request it is then asked with the
stop switch and the senders whether the rules say no for any other reason; the age of copies stays out.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from consumers.violations.sends import Message, Send
from ledger.log import Log, Position, Recorded
from projections.history import Contact
from projections.known import Known, before
from projections.question import Coverage, Question
from projections.resolve import resolve
from schemas.decision import Reason, Verdict
from schemas.events import OPERATOR_POLICY
from schemas.policy import Policy
from schemas.times import DAY

REVOKED: Final = ("revoked_by_number", "revoked_by_account")
OTHERS: Final[tuple[Reason, ...]] = (
    "halted", "held_for_review", "consent_expired", "no_consent", "sender_unreachable",
)  # fmt: skip
MOST: Final = 500
"""So many moments are looked back at most; of a no that stood for longer the lag is at least what is said."""


class Cause(NamedTuple):
    """The event with which the no began to reach the contact: a revocation, a link, or what ended a yes.

    Without a position it was no event: a yes ran out. `recorded_at` in milliseconds.
    """

    recorded_at: int
    position: Position | None


class Violation(NamedTuple):
    """A message that went out against a no; `evidence`: the revocations that stood against it.

    Or one that the rules deny for another reason, with what they say of why; no cause where that is no event.
    """

    send: Send
    reason: Reason
    evidence: tuple[str, ...]
    cause: Cause | None

    @property
    def is_no(self) -> bool:
        """Whether the contact, or an account of theirs, had said no."""
        return self.reason in REVOKED


def rank(violation: Violation) -> int:
    """Where a violation stands in a list: what went out against a no first, then reason by reason."""
    return -1 if violation.is_no else OTHERS.index(violation.reason)


class Judge:
    """Judges sends, best in the order of contacts. Ask it about none of after it was made."""

    def __init__(self, log: Log, all_reasons: bool = False) -> None:
        self._log = log
        self._known = Known(log, (OPERATOR_POLICY,))
        self._operator = Known(log) if all_reasons else None
        self._coverage = lru_cache(1 << 12)(Coverage)
        self._turning = lru_cache(64)(self._turning_moments)
        self._asked_of = ""
        self._stands: dict[tuple[Message, int], bool] = {}

    def violations(self, sends: Iterable[Send]) -> Iterator[Violation]:
        """Those of the sends that are. Raises UnavailableError."""
        for send in sends:
            ref = send.subject.hex()
            verdict, contact = self._verdict(ref, send.message, send.at)
            if verdict.reason in REVOKED:
                yield Violation(send, verdict.reason, verdict.evidence, self._cause(ref, send, contact, verdict))
            elif self._operator:
                verdict, _ = self._verdict(ref, send.message, send.at, self._operator)
                if verdict.reason in OTHERS:
                    yield Violation(send, verdict.reason, verdict.evidence, self._event_behind(verdict))

    def _verdict(self, ref: str, message: Message, at: int, operator: Known | None = None) -> tuple[Verdict, Contact]:
        cut = before(at)
        reference = (operator or self._known).reference(cut)
        coverage = self._coverage(message.brand, message.channel, message.purpose)
        question = Question(
            reference.policy(at), at, coverage, message.channel, message.purpose, message.sender, message.jurisdiction
        )
        contact = self._known.contact(ref, cut)
        return resolve(contact, self._known.accounts(cut), reference, question), contact

    def _event_behind(self, verdict: Verdict) -> Cause | None:
        """Since when traffic was halted or held; that somebody did not say yes, or no longer, is no event."""
        if verdict.reason not in ("halted", "held_for_review"):
            return None
        found = [recorded for recorded in map(self._log.find, verdict.evidence) if recorded]
        return min((Cause(one.recorded_at, one.position) for one in found), key=_recorded_at, default=None)

    # --- since when

    def _cause(self, ref: str, send: Send, contact: Contact, verdict: Verdict) -> Cause:
        """The earliest moment from which on one of these revocations stood against it without a break."""
        began = min(self._reached(ref, contact, set(verdict.evidence)), key=_recorded_at)
        moments = self._turning(ref, tuple(name for name, _ in contact.accounts))
        first = bisect_right(moments, began.recorded_at, key=_recorded_at)
        last = bisect_right(moments, send.at - 1, key=_recorded_at)
        for moment in reversed(moments[max(first, last - MOST) : last]):
            if not self._stood(ref, send.message, moment.recorded_at):
                return moment  # right before it the no did not stand: it stands since
        return began if last - first <= MOST else moments[last - MOST]

    def _stood(self, ref: str, message: Message, at: int) -> bool:
        if self._asked_of != ref:
            self._asked_of = ref
            self._stands.clear()
        key = (message, at)
        if key not in self._stands:
            self._stands[key] = self._verdict(ref, message, at)[0].reason in REVOKED
        return self._stands[key]

    def _reached(self, ref: str, contact: Contact, evidence: set[str]) -> Iterator[Cause]:
        """When each revocation was recorded or, where its account was linked later, the link."""
        for said in contact.said:
            if said.event_id in evidence:
                yield Cause(said.at.recorded, Position(said.at.partition, said.at.offset))
        for account, _ in contact.accounts:
            linked = self._first_link(ref, account)
            for recorded, event in self._known.told(account).entries:
                if event["event_id"] in evidence:
                    yield max(Cause(recorded.recorded_at, recorded.position), linked, key=_recorded_at)

    def _first_link(self, ref: str, account: str) -> Cause:
        return next(
            Cause(recorded.recorded_at, recorded.position)
            for recorded, event in self._known.told(ref).entries
            if event["type"] == "ContactLinked" and event["account"] == account
        )

    def _turning_moments(self, ref: str, accounts: tuple[str, ...]) -> tuple[Cause, ...]:
        """After which the answer may be another one: when something was recorded, ends of statements, new policies."""
        found = []
        for subject in (ref, *accounts, OPERATOR_POLICY):
            for recorded, event in self._known.told(subject).entries:
                found.append(Cause(recorded.recorded_at, recorded.position))
                found += [Cause(end, None) for end in self._ends(recorded, event)]
        found += [Cause(policy.effective_from - 1, None) for policy in self._policies()]
        return tuple(sorted(found, key=_recorded_at))

    def _policies(self) -> Iterable[Policy]:
        return self._known.reference(lambda told: len(told.offsets)).policies

    def _ends(self, recorded: Recorded, event: dict[str, object]) -> Iterator[int]:
        """The last moments of a statement: its own, and those that the policies give its basis."""
        until, basis = event.get("valid_until"), event.get("basis")
        if isinstance(until, int):
            yield until
        if basis:
            for policy in self._policies():
                days = policy.max_age_days.get(basis)  # type: ignore[call-overload]
                if days is not None:
                    yield min(int(str(event["occurred_at"])), recorded.recorded_at) + days * DAY


def _recorded_at(cause: Cause) -> int:
    return cause.recorded_at
