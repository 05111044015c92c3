"""The gate: may this message go out now? In process, from a copy in memory: no network, no disk.

The rules are the resolver's alone (`projections/resolve.py`); a gate turns an address into a reference, looks up what
stands of it, and says with the answer what it was made from.
"""

import math
import time
from collections.abc import Mapping
from functools import lru_cache

import uuid_utils

from consumers.copy import Copy, ViewCopy
from consumers.numbers import LAST, known, parse
from ledger.reference import References
from projections.question import Coverage, Question
from projections.reference_data import NONE, Reference
from projections.resolve import resolve
from schemas.decision import RULES, Reason, Verdict
from schemas.errors import ContactError, ScopeError
from schemas.number import region_of
from schemas.policy import Policy
from schemas.scope import EVERYTHING, path
from schemas.subject import Subject, SubjectKind, parse_contact
from schemas.times import rfc3339

__all__ = ["Asked", "Decision", "Gate", "ViewCopy"]

region = lru_cache(1 << 16)(region_of)


class Asked:
    """A kind of message under one policy: all that is the same for every contact it may go out to."""

    __slots__ = ("asks_jurisdiction", "brand", "max_staleness_s", "policy", "question")

    def __init__(self, policy: Policy, channel: str, purpose: str, brand: str | None, sender: str | None) -> None:
        """Raises ScopeError where channel, purpose or brand is not concrete, or not in the policy."""
        self.policy = policy
        self.brand = policy.brand if brand is None else brand
        _must_be_concrete(policy, self.brand, channel, purpose)
        self.asks_jurisdiction = policy.regime_asks_jurisdiction(purpose)
        self.max_staleness_s = policy.max_staleness_s(purpose)
        self.question = Question(policy, 0, Coverage(self.brand, channel, purpose), channel, purpose, sender)

    def jurisdiction_of(self, kind: SubjectKind, id_: str) -> str | None:
        """The region of a number, worked out only where the policy depends on it."""
        return region(id_) if self.asks_jurisdiction and kind == "number" else None


class Decision:
    """May the message go out, why, and what that was made from. `at` in milliseconds."""

    __slots__ = ("_asked", "_id", "at", "contact", "jurisdiction", "kind", "staleness_s", "verdict", "watermark")

    def __init__(
        self, kind: SubjectKind, contact: str, asked: Asked, at: int, jurisdiction: str | None, verdict: Verdict,
        watermark: Mapping[int, int], staleness_s: float,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.contact = contact
        self._asked = asked
        self.at = at
        self.jurisdiction = jurisdiction
        self.verdict = verdict
        self.watermark = watermark
        self.staleness_s = staleness_s
        self._id: str | None = None

    @property
    def decision_id(self) -> str:
        """A UUIDv7, made when it is first asked for: most decisions are looked at once and never named."""
        if self._id is None:
            self._id = str(uuid_utils.uuid7())
        return self._id

    @property
    def subject(self) -> Subject:
        """Whom the message would go to."""
        return Subject(self.kind, self.contact)

    @property
    def channel(self) -> str:
        """The message's channel."""
        return self._asked.question.channel

    @property
    def purpose(self) -> str:
        """The message's purpose."""
        return self._asked.question.purpose

    @property
    def brand(self) -> str:
        """On whose behalf it would go out."""
        return self._asked.brand

    @property
    def sender(self) -> str | None:
        """The identity it would show, where that was said."""
        return self._asked.question.sender

    @property
    def allowed(self) -> bool:
        """Whether it may go out."""
        return self.verdict.allowed

    @property
    def reason(self) -> Reason:
        """Why, in one word."""
        return self.verdict.reason

    @property
    def rule(self) -> str:
        """The rule of `docs/decision-table.md` behind the reason, with its version."""
        return RULES[self.verdict.reason]

    @property
    def policy(self) -> str:
        """The policy in force, NAME@VERSION."""
        return self.verdict.policy

    @property
    def evidence(self) -> tuple[str, ...]:
        """The ids of the events behind the answer."""
        return self.verdict.evidence

    def as_json(self) -> dict[str, object]:
        """The keys of `decide --json`, in their order. A copy that was never current, or is put together again, has a
        staleness of null."""
        return {
            "decision_id": self.decision_id,
            "subject": str(self.subject),
            "channel": self.channel,
            "purpose": self.purpose,
            "brand": self.brand,
            "sender": self.sender,
            "at": rfc3339(self.at),
            "allowed": self.allowed,
            "reason": self.reason,
            "rule": self.rule,
            "policy": self.policy,
            "evidence": list(self.evidence),
            "watermark": {str(partition): offset for partition, offset in self.watermark.items()},
            "staleness_s": self.staleness_s if math.isfinite(self.staleness_s) else None,
        }


class Gate:
    """Decides from a copy. Safe to use from several threads, also while another one applies changes to the copy."""

    def __init__(
        self, copy: Copy, references: References, default_brand: str | None = None, region: str | None = None
    ) -> None:
        """`default_brand` where a question gives none (by default the policy's); `region` for national numbers."""
        self.copy = copy
        self._digest = references.digest
        self._default_brand = default_brand
        self._region = region
        self._known: tuple[Reference | None, dict[tuple[object, ...], Asked]] = (None, {})

    def decide(
        self, contact: str | Subject, *, channel: str, purpose: str, brand: str | None = None,
        sender: str | None = None, at: int | None = None, jurisdiction: str | None = None,
    ) -> Decision:  # fmt: skip
        """Whether a message may go out to a contact; `at` in milliseconds, by default now.

        `jurisdiction` is by default the number's region. Raises ContactError for a contact that cannot be understood,
        ScopeError for a channel, purpose or brand that is not concrete or not in the policy in force.
        """
        if at is None:
            at = time.time_ns() // 1_000_000
        asked = self.asked(at, channel, purpose, brand, sender)
        if isinstance(contact, str) and contact[-4:] in LAST and known.get(contact[:-4]):  # as `parse` has it
            return self._decided(self._digest("number", contact), "number", contact, asked, at, jurisdiction)
        subject = understood(contact, self._region)
        return self._decided(self._digest(*subject), *subject, asked, at, jurisdiction)

    def decide_ref(
        self, digest: bytes, kind: SubjectKind, id_: str, *, channel: str, purpose: str, brand: str | None = None,
        sender: str | None = None, at: int | None = None, jurisdiction: str | None = None,
    ) -> Decision:  # fmt: skip
        """As `decide`, for a caller that has the reference (16 bytes) of the contact already."""
        if at is None:
            at = time.time_ns() // 1_000_000
        asked = self.asked(at, channel, purpose, brand, sender)
        return self._decided(digest, kind, id_, asked, at, jurisdiction)

    def _decided(
        self, digest: bytes, kind: SubjectKind, id_: str, asked: Asked, at: int, jurisdiction: str | None
    ) -> Decision:
        if jurisdiction is None and asked.asks_jurisdiction:
            jurisdiction = asked.jurisdiction_of(kind, id_)
        copy = self.copy
        question = asked.question
        if question.at != at or question.jurisdiction != jurisdiction:
            question = asked.question = question.again(at, jurisdiction)  # many are asked in one millisecond
        with copy.lock:
            watermark, staleness_s = copy.watermark(), copy.staleness_s()
            stale = staleness_s > asked.max_staleness_s
            verdict = resolve(copy.contact(digest), copy.accounts, copy.reference, question, stale)
        return Decision(kind, id_, asked, at, jurisdiction, verdict, watermark, staleness_s)

    def asked(self, at: int, channel: str, purpose: str, brand: str | None, sender: str | None) -> Asked:
        """What is the same for all contacts of such a message under the policy in force at a time."""
        reference, kinds = self._known
        if reference is not self.copy.reference:
            reference = self.copy.reference
            kinds = {}
            self._known = (reference, kinds)
        policy = reference.policy(at)
        key = (id(policy), channel, purpose, brand, sender)  # the policies live as long as `reference`, which is held
        found = kinds.get(key)
        if found is None:
            named = self._default_brand if brand is None else brand
            found = kinds[key] = Asked(policy, channel, purpose, named, sender)
        return found


def understood(contact: str | Subject, region: str | None) -> Subject:
    """Whom a question is about. Raises ContactError."""
    if isinstance(contact, str):
        if contact[:1] == "+":
            return Subject("number", parse(contact, region))
        return parse_contact(contact, region)
    if not contact.is_contact:
        raise ContactError(f"{contact} is an account; messages go to contacts, ask about one of them")
    return contact


def _must_be_concrete(policy: Policy, brand: str, channel: str, purpose: str) -> None:
    for name, value in (("channel", channel), ("purpose", purpose), ("brand", brand)):
        if value == EVERYTHING:
            raise ScopeError(f"a question is concrete: name one {name}, not * (a message goes out on one channel)")
        path(value)
    if policy is NONE:
        raise ScopeError("no policy is in force at that time; publish one (prefledger policy publish FILE)")
    policy.must_know(brand, channel, purpose)
