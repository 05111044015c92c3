"""Whether a message went out against a no, by what the ledger knew when it went out; and since when it knew that.

A send at T is a violation if the rules, asked about T with what had been recorded before T, say `revoked_by_number` or
`revoked_by_account`: on any level, that of an account which the contact had left included. What was recorded later (a
no that was entered late, a correction, a link) makes no message of before it a violation, and excuses none.

The stop switch and the age of copies are left out: who had said no had said no.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from consumers.violations.sends import Message, Send
from ledger.log import Log, Position
from projections.history import Contact
from projections.known import Known, before
from projections.question import Coverage, Question
from projections.resolve import resolve
from schemas.decision import Reason, Verdict
from schemas.events import OPERATOR_POLICY
from schemas.times import DAY

REVOKED: Final = ("revoked_by_number", "revoked_by_account")
MOST: Final = 500
"""So many moments are looked back at most; of a no that stood for longer the lag is at least what is said."""


class Cause(NamedTuple):
    """The event with which the no began to reach the contact: a revocation, a link, or what ended a yes.

    Without a position it was no event: a yes ran out. `recorded_at` in milliseconds.
    """

    recorded_at: int
    position: Position | None


class Violation(NamedTuple):
    """A message that went out against a no; `evidence`: the revocations that stood against it."""

    send: Send
    reason: Reason
    evidence: tuple[str, ...]
    cause: Cause


class Judge:
    """Judges sends, best in the order of contacts. Ask it about none of after it was made."""

    def __init__(self, log: Log) -> None:
        self._known = Known(log, (OPERATOR_POLICY,))
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

    def _verdict(self, ref: str, message: Message, at: int) -> tuple[Verdict, Contact]:
        cut = before(at)
        reference = self._known.reference(cut)
        coverage = self._coverage(message.brand, message.channel, message.purpose)
        question = Question(reference.policy(at), at, coverage, message.channel, message.purpose, message.sender)
        contact = self._known.contact(ref, cut)
        return resolve(contact, self._known.accounts(cut), reference, question), contact

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
        """After which the answer may be another one: when something was recorded, and the ends of statements."""
        found = []
        for subject in (ref, *accounts):
            for recorded, event in self._known.told(subject).entries:
                found.append(Cause(recorded.recorded_at, recorded.position))
                found += [Cause(end, None) for end in self._ends(event)]
        return tuple(sorted(found, key=_recorded_at))

    def _ends(self, event: dict[str, object]) -> Iterator[int]:
        """The last moments of a statement: its own, and those that the policies give its basis."""
        until, basis = event.get("valid_until"), event.get("basis")
        if isinstance(until, int):
            yield until
        if basis:
            for policy in self._known.reference(lambda told: len(told.offsets)).policies:
                days = policy.max_age_days.get(basis)  # type: ignore[call-overload]
                if days is not None:
                    yield int(str(event["occurred_at"])) + days * DAY


def _recorded_at(cause: Cause) -> int:
    return cause.recorded_at
