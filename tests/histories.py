"""Small nasty histories from a seed: few subjects and few moments, so that every tie and every quarrel happens.

`history(random.Random(seed))` makes a log as an adapter would hold it: every subject in one partition, offsets
without gaps, `recorded_at` never running backwards within a partition. What the events say is as unreasonable as
they allow: backdated, future, retried, corrected in chains, linked twice, resolved before it was opened.
"""

import hashlib
from collections.abc import Callable
from random import Random
from typing import Any, Literal, NamedTuple

import orjson

from ledger.log import Position
from schemas.encoding import content_digest, encode
from schemas.events import (
    EVENT_TYPES,
    OPERATOR_INBOX,
    OPERATOR_POLICY,
    OPERATOR_SENDERS,
    OPERATOR_TRAFFIC,
    Event,
    FollowUpOpened,
    PolicyPublished,
    PreferenceGranted,
    PreferenceRevoked,
    StatementCorrected,
    TrafficHalted,
)
from schemas.policy import Policy, Purpose, Regime, RegimeRule
from schemas.scope import EVERYTHING, Scope
from schemas.times import DAY
from tests.reference_model import CORRECTABLE, Fact, Message, distinct, occurred

START = 100 * DAY
BRANDS = ("acme", "other")
CHANNELS = ("sms", "email")
PURPOSES = ("marketing", "marketing.offers", "service", "service.codes")
SENDERS = ("short-code", "toll-free")
JURISDICTIONS = ("CA", "FR")


class History(NamedTuple):
    """A log, whom it is about, and the moments at which an answer may change."""

    facts: list[Fact]
    contacts: list[str]
    accounts: list[str]
    times: list[int]
    partitions: int


def history(rng: Random, events: int = 24, partitions: Literal[1, 3] = 1, byte_repeats: bool = True) -> History:
    """A history of that many entries. Without `byte_repeats` a retry always comes under an event id of its own."""
    author = Author(rng, partitions, byte_repeats)
    author.begin()
    while len(author.facts) < events:
        author.step()
    facts = author.facts[:events]
    return History(facts, author.contacts, author.accounts, interesting_times(facts), partitions)


def questions(rng: Random, history: History, count: int = 40) -> list[Message]:
    """Messages to ask about: every contact, mostly the offers that most scopes cover, at moments that matter."""
    return [
        Message(
            contact=rng.choice(history.contacts),
            channel=_mostly(rng, "sms", CHANNELS),
            purpose=_mostly(rng, "marketing.offers", PURPOSES),
            brand=_mostly(rng, "acme", BRANDS),
            jurisdiction=rng.choice((None, *JURISDICTIONS)),
            sender=rng.choice((None, None, None, *SENDERS, "unheard-of")),
            at=rng.choice(history.times),
        )
        for _ in range(count)
    ]


def some_knowledge(rng: Random, history: History) -> dict[int, int]:
    """A K: for each partition how far somebody had read it, as likely as not quite far."""
    ends = {p: sum(fact.position.partition == p for fact in history.facts) for p in range(history.partitions)}
    return {p: rng.choice((end, rng.randint(0, end))) for p, end in ends.items()}


def interesting_times(facts: list[Fact]) -> list[int]:
    """Every time that stands in the log or follows from it, with the millisecond before it and the one after."""
    ages = {
        days * DAY
        for fact in facts
        if isinstance(fact.event, PolicyPublished)
        for days in fact.event.policy.max_age_days.values()
    }
    marks = {mark for fact in facts for mark in _marks(fact, ages)}
    return sorted({mark + step for mark in marks for step in (-1, 0, 1)})


def _marks(fact: Fact, ages: set[int]) -> set[int]:
    event, marks = fact.event, {fact.recorded_at, fact.event.occurred_at}
    if isinstance(event, PolicyPublished):
        marks.add(event.policy.effective_from)
    if isinstance(event, PreferenceGranted):
        marks |= {occurred(fact) + age for age in ages}
    if isinstance(event, PreferenceGranted | PreferenceRevoked) and event.valid_until is not None:
        marks.add(event.valid_until)
    return marks


def make_event(kind_of_event: str, *, kind: str, subject: str, event_id: str, occurred_at: int, **said: Any) -> Event:
    """A valid event with the digest of its content; the envelope says as little as it may."""
    envelope = {"received_at": occurred_at, "actor": "system:test", "capture": {"source": "test"}, "content": "0" * 32}
    draft = EVENT_TYPES[kind_of_event].model_validate(
        envelope | {"kind": kind, "subject": subject, "event_id": event_id, "occurred_at": occurred_at} | said
    )
    return draft.model_copy(update={"content": content_digest(orjson.loads(encode(draft)))})


def partition_of(subject: str, partitions: int) -> int:
    """All entries of a subject in one partition, the same one in every run."""
    return hashlib.sha256(subject.encode()).digest()[0] % partitions


class Author:
    """Writes a log entry by entry. It keeps what it wrote, so that it can contradict it."""

    def __init__(self, rng: Random, partitions: int, byte_repeats: bool) -> None:
        """Two to four contacts, one to three accounts, and a clock for each partition."""
        self.rng, self.partitions, self.byte_repeats = rng, partitions, byte_repeats
        self.contacts = [self._ref() for _ in range(rng.randint(2, 4))]
        self.accounts = [self._ref() for _ in range(rng.randint(1, 3))]
        self.kinds = {ref: rng.choice(("number", "number", "email")) for ref in self.contacts}
        self.kinds |= dict.fromkeys(self.accounts, "account")
        self.facts: list[Fact] = []
        self.now = START
        self.clocks = [START - 1] * partitions
        self.ends = [0] * partitions

    def begin(self) -> None:
        """Most histories have a policy and some links before the quarrels start; some have neither."""
        if self.rng.random() < 0.85:
            self.publish_policy(effective_from=START - 5)
        for contact in self.contacts:
            if self.rng.random() < 0.6:
                self._write("ContactLinked", contact, account=self.rng.choice(self.accounts))

    def step(self) -> None:
        """One move, and now and then a step of the clock: usually none, so that times tie."""
        if self.rng.random() < 0.4:
            self.now += self.rng.choice((1, 1, 1, 2)) if self.rng.random() < 0.97 else DAY
        moves, weights = zip(*self._moves().items(), strict=True)
        self.rng.choices(moves, weights)[0]()

    def _moves(self) -> dict[Callable[[], None], int]:
        return {
            self.revoke: 14,
            self.grant: 14,
            self.link: 9,
            self.unlink: 9,
            self.reassign: 3,
            self.correct: 12,
            self.retry: 8,
            self.clash: 4,
            self.open_follow_up: 3,
            self.resolve_follow_up: 3,
            self.halt: 1,
            self.resume: 1,
            self.publish_policy: 2,
            self.speak_of_sender: 3,
        }

    # --- what persons say

    def revoke(self) -> None:
        """A contact or an account says no, now and then for a while only."""
        until = self._soon() if self.rng.random() < 0.15 else None
        self._write("PreferenceRevoked", self._person(), scope=self._scope(), valid_until=until)

    def grant(self) -> None:
        """A contact or an account says yes, often for a while only."""
        until = self._soon() if self.rng.random() < 0.25 else None
        basis = self.rng.choice(("express", "express", "implied", "contract"))
        self._write("PreferenceGranted", self._person(), scope=self._scope(), basis=basis, valid_until=until)

    def link(self) -> None:
        """A contact joins an account, whether or not it is in it already."""
        self._write("ContactLinked", self.rng.choice(self.contacts), account=self.rng.choice(self.accounts))

    def unlink(self) -> None:
        """A contact leaves an account, whether or not it was in it."""
        self._write("ContactUnlinked", self.rng.choice(self.contacts), account=self.rng.choice(self.accounts))

    def reassign(self) -> None:
        """Somebody else holds the contact."""
        self._write("NumberReassigned", self.rng.choice(self.contacts))

    # --- what is taken back, and what is said twice

    def correct(self) -> None:
        """Corrects what counts as an event: corrections too, and sometimes what no correction can touch."""
        events = [fact for fact in distinct(self.facts) if fact.event.subject in self.kinds]
        corrections = [fact for fact in events if isinstance(fact.event, StatementCorrected)]
        named = self._one_of(corrections if self.rng.random() < 0.5 else []) or self._one_of(events)
        if named is None:
            return
        subject = named.event.subject if self.rng.random() < 0.95 else self._person()
        self._write("StatementCorrected", subject, corrects=named.event.event_id)

    def retry(self) -> None:
        """Sends an event again: byte for byte, or under a new id and another time; what was corrected by preference."""
        named = {fact.event.corrects for fact in self.facts if isinstance(fact.event, StatementCorrected)}
        corrected = [fact for fact in self.facts if fact.event.event_id in named]
        first = self._one_of(corrected if self.rng.random() < 0.6 else []) or self._one_of(self.facts)
        if first is None:
            return
        event = first.event
        if not self.byte_repeats or self.rng.random() < 0.75:
            again = {"event_id": self._event_id(), "occurred_at": self._when(event.subject)}
            event = event.model_copy(update=again)
        self._append(event)

    def clash(self) -> None:
        """Says something else under a key that is taken."""
        first = self._one_of([fact for fact in self.facts if isinstance(fact.event, CORRECTABLE)])
        if first is None:
            return
        kind, extra = self.rng.choice((("PreferenceRevoked", {}), ("PreferenceGranted", {"basis": "express"})))
        key = first.event.idempotency_key
        self._write(kind, first.event.subject, scope=self._scope(), idempotency_key=key, **extra)

    # --- follow-ups

    def open_follow_up(self) -> None:
        """Somebody has to look at a contact or an account; traffic is mostly held."""
        subject = self._person() if self.rng.random() < 0.95 else OPERATOR_INBOX
        self._write("FollowUpOpened", subject, reason="unclear", holds=self.rng.random() < 0.85)

    def resolve_follow_up(self) -> None:
        """Resolves a follow-up, sometimes under the wrong subject, which resolves nothing."""
        opened = self._one_of([fact for fact in self.facts if isinstance(fact.event, FollowUpOpened)])
        if opened is None:
            return
        subject = opened.event.subject if self.rng.random() < 0.9 else self._person()
        self._write("FollowUpResolved", subject, follow_up=opened.event.event_id)

    # --- what the operator says

    def halt(self) -> None:
        """Throws the stop switch."""
        self._write("TrafficHalted", OPERATOR_TRAFFIC, scope=self._scope())

    def resume(self) -> None:
        """Resumes the scope of some halt, or a scope of which none was halted."""
        halted = self._one_of([fact for fact in self.facts if isinstance(fact.event, TrafficHalted)])
        same = isinstance(halted and halted.event, TrafficHalted) and self.rng.random() < 0.8
        self._write("TrafficResumed", OPERATOR_TRAFFIC, scope=halted.event.scope if same else self._scope())

    def publish_policy(self, effective_from: int | None = None) -> None:
        """Another version of the policy, effective before, at or after the moment that it is published."""
        effective = self.now + self.rng.randint(-2, 4) if effective_from is None else effective_from
        self._write("PolicyPublished", OPERATOR_POLICY, policy=self._policy(effective))

    def speak_of_sender(self) -> None:
        """Registers, verifies or suspends a sender, in any order."""
        said: list[tuple[str, dict[str, object]]] = [
            ("SenderRegistered", {"brand": "acme", "takes_replies": self.rng.random() < 0.8}),
            ("SenderVerified", {}),
            ("SenderSuspended", {}),
        ]
        kind, fields = self.rng.choices(said, (4, 3, 2))[0]
        self._write(kind, OPERATOR_SENDERS, sender=self.rng.choice(SENDERS), **fields)

    def _policy(self, effective_from: int) -> Policy:
        yes = self.rng.random
        return Policy(
            name="drawn",
            version=str(len(self.facts)),
            brand="acme",
            brands=BRANDS,
            channels=CHANNELS,
            purposes={
                "marketing": Purpose(regime=self._regime()),
                "marketing.offers": Purpose(regime=self._regime() if yes() < 0.3 else None),
                "service": Purpose(regime=self._regime(), exempt_from_sender_check=yes() < 0.3),
                "service.codes": Purpose(never_needs_consent=True, exempt_from_sender_check=_maybe(self.rng)),
            },
            number_lifts_account=yes() < 0.4,
            grants_reach_later_links=yes() < 0.4,
            unknown_senders_pass=yes() < 0.6,
            max_age_days={"implied": 1} if yes() < 0.7 else {},
            effective_from=effective_from,
        )

    def _regime(self) -> Regime | tuple[RegimeRule, ...]:
        if self.rng.random() < 0.7:
            return self.rng.choice(("opt_in", "opt_out"))
        return (
            RegimeRule(jurisdiction=self.rng.choice(JURISDICTIONS), regime="opt_out"),
            RegimeRule(channel=self.rng.choice(CHANNELS), regime=self.rng.choice(("opt_in", "opt_out"))),
        )

    # --- drawing

    def _scope(self) -> Scope:
        return Scope(
            brand=self.rng.choice((EVERYTHING, EVERYTHING, "acme", "other")),
            channel=self.rng.choice((EVERYTHING, EVERYTHING, "sms", "email")),
            purpose=self.rng.choice((EVERYTHING, EVERYTHING, "marketing", "marketing.offers", *PURPOSES)),
        )

    def _person(self) -> str:
        return self.rng.choice(self.contacts if self.rng.random() < 0.55 else self.accounts)

    def _soon(self) -> int:
        return self.now + self.rng.randint(-1, 4)

    def _when(self, subject: str) -> int:
        """As the log's clock has it, or earlier, or later (which the log clamps), and on a day of its own at times."""
        clock = max(self.now, self.clocks[partition_of(subject, self.partitions)])
        step = self.rng.choice((0, 0, 0, -1, -1, -2, -3, 1, 3))
        return clock + step - (DAY if self.rng.random() < 0.05 else 0)

    def _one_of(self, facts: list[Fact]) -> Fact | None:
        return self.rng.choice(facts) if facts else None

    def _ref(self) -> str:
        return f"{self.rng.getrandbits(128):032x}"

    def _event_id(self) -> str:
        noise = f"{self.rng.getrandbits(72):018x}"
        stamp = f"{self.now:012x}"
        return f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:]}"

    # --- writing

    def _write(self, kind_of_event: str, subject: str, **said: Any) -> None:
        envelope = {"event_id": self._event_id(), "occurred_at": self._when(subject), "idempotency_key": self._ref()}
        kind = self.kinds.get(subject, "operator")
        self._append(make_event(kind_of_event, kind=kind, subject=subject, **(envelope | said)))

    def _append(self, event: Event) -> None:
        """The clocks of the partitions disagree by a millisecond, and none of them runs backwards."""
        partition = partition_of(event.subject, self.partitions)
        self.clocks[partition] = max(self.clocks[partition], self.now + self.rng.choice((-1, 0, 0, 1)))
        self.facts.append(Fact(Position(partition, self.ends[partition]), self.clocks[partition], event))
        self.ends[partition] += 1


def _mostly(rng: Random, usual: str, all_of_them: tuple[str, ...]) -> str:
    return usual if rng.random() < 0.5 else rng.choice(all_of_them)


def _maybe(rng: Random) -> bool | None:
    return rng.choice((None, False, True))
