"""Small nasty histories from a seed: few subjects and few moments, so that every tie and every quarrel happens.

`history(random.Random(seed))` makes a log as an adapter would hold it: every subject in one partition, offsets
without gaps, `recorded_at` never running backwards within a partition. What the events say is as unreasonable as
they allow: backdated, future, retried, corrected in chains, linked twice, resolved before it was opened.
"""

import hashlib
from collections.abc import Callable
from random import Random
from typing import Literal, NamedTuple

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

# What happens how often. A quarrel about the last of three leavings is rare among all that can happen, so most
# histories are about one matter, and only some about everything.
EVERY_MOVE = {
    **{"revoke": 14, "grant": 20, "link": 9, "unlink": 9, "reassign": 3, "correct": 12, "retry": 8, "clash": 4},
    **{"open_follow_up": 3, "resolve_follow_up": 3, "erase": 1},
    **{"halt": 1, "resume": 1, "publish_policy": 2, "speak_of_sender": 3},
}
THEMES = {
    "everything": EVERY_MOVE,
    "leaving": {"revoke": 12, "grant": 14, "link": 12, "unlink": 14, "reassign": 3, "correct": 1, "publish_policy": 1},
    "correcting": {
        "revoke": 6,
        "grant": 8,
        "link": 3,
        "unlink": 3,
        "reassign": 1,
        "correct": 18,
        "retry": 14,
        "clash": 4,
    },
    "holding": {"open_follow_up": 8, "resolve_follow_up": 8, "link": 6, "unlink": 8, "retry": 2, "correct": 2},
    "operating": {"grant": 4, "halt": 3, "resume": 4, "publish_policy": 4, "speak_of_sender": 12, "retry": 2},
}


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
            at=rng.choice(history.times[len(history.times) // 2 :] if rng.random() < 0.5 else history.times),
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


def make_event(kind_of_event: str, **said: object) -> Event:
    """A valid event with the digest of its content; the envelope says as little as it may."""
    envelope = {"actor": "system:test", "capture": {"source": "test"}, "received_at": said["occurred_at"]}
    draft = EVENT_TYPES[kind_of_event].model_validate(envelope | {"content": "0" * 32} | said)
    return draft.model_copy(update={"content": content_digest(orjson.loads(encode(draft)))})


def partition_of(subject: str, partitions: int) -> int:
    """All entries of a subject in one partition, the same one in every run."""
    return hashlib.sha256(subject.encode()).digest()[0] % partitions


class Author:
    """Writes a log entry by entry. It keeps what it wrote, so that it can contradict it."""

    def __init__(self, rng: Random, partitions: int, byte_repeats: bool) -> None:
        """Two to four contacts, one to three accounts, and a clock for each partition."""
        self.rng, self.partitions, self.byte_repeats = rng, partitions, byte_repeats
        theme = rng.choices(list(THEMES), (4, 4, 2, 1, 2))[0]
        self.weights = THEMES[theme]
        self.width = 0.3 if theme == "everything" else 0.8
        self.own_share = 0.2 if theme == "leaving" else 0.55  # a contact's own no hides what its accounts say
        few = theme != "everything" and rng.random() < 0.7
        self.contacts = [self._ref() for _ in range(2 if few else rng.randint(2, 4))]
        self.accounts = [self._ref() for _ in range(1 if few else rng.randint(1, 3))]
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
        move = self.rng.choices(list(self.weights), list(self.weights.values()))[0]
        moves: dict[str, Callable[[], None]] = {
            **{"revoke": self.revoke, "grant": self.grant, "link": self.link, "unlink": self.unlink},
            **{"reassign": self.reassign, "erase": self.erase},
            **{"correct": self.correct, "retry": self.retry, "clash": self.clash},
            **{"open_follow_up": self.open_follow_up, "resolve_follow_up": self.resolve_follow_up},
            **{"halt": self.halt, "resume": self.resume},
            **{"publish_policy": self.publish_policy, "speak_of_sender": self.speak_of_sender},
        }
        moves[move]()

    # --- what persons say

    def revoke(self) -> None:
        """A contact or an account says no, now and then for a while only."""
        until = self._soon() if self.rng.random() < 0.15 else None
        self._write("PreferenceRevoked", self._person(self.own_share), scope=self._scope(), valid_until=until)

    def grant(self) -> None:
        """A contact or an account says yes, often for a while only."""
        until = self._soon() if self.rng.random() < 0.25 else None
        basis = self.rng.choice(("express", "implied"))
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

    def erase(self) -> None:
        """Forgets who somebody was, which changes no answer."""
        self._write("SubjectErased", self._person())

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
        if self.byte_repeats and self.rng.random() < 0.25:
            self._append(first.event)
            self._reinstate(first.event)
            return
        again = {"event_id": self._event_id(), "occurred_at": self._when(first.event.subject)}
        self._append(first.event.model_copy(update=again))

    def _reinstate(self, event: Event) -> None:
        """Takes back a correction of the event, if there is one: which of the two copies is it now that counts?"""
        for fact in distinct(self.facts):
            if isinstance(fact.event, StatementCorrected) and fact.event.corrects == event.event_id:
                return self._write("StatementCorrected", fact.event.subject, corrects=fact.event.event_id)

    def clash(self) -> None:
        """Says something else under a key that is taken."""
        first = self._one_of([fact for fact in self.facts if isinstance(fact.event, CORRECTABLE)])
        if first is None:
            return
        said: list[tuple[str, dict[str, object]]] = [
            ("PreferenceRevoked", {}),
            ("PreferenceGranted", {"basis": "express"}),
        ]
        kind, extra = self.rng.choice(said)
        key = first.event.idempotency_key
        self._write(kind, first.event.subject, scope=self._scope(), idempotency_key=key, **extra)

    # --- follow-ups

    def open_follow_up(self) -> None:
        """Somebody has to look at a contact or an account; traffic is mostly held."""
        subject = self._person() if self.rng.random() < 0.95 else OPERATOR_INBOX
        self._write("FollowUpOpened", subject, reason="unclear", holds=self.rng.random() < 0.85)

    def resolve_follow_up(self) -> None:
        """Resolves a follow-up, sometimes under the wrong subject, which resolves nothing."""
        opened = self._one_of([fact for fact in distinct(self.facts) if isinstance(fact.event, FollowUpOpened)])
        if opened is None:
            return
        subject = opened.event.subject if self.rng.random() < 0.9 else self._person()
        self._write("FollowUpResolved", subject, follow_up=opened.event.event_id)

    # --- what the operator says

    def halt(self) -> None:
        """Throws the stop switch."""
        self._write("TrafficHalted", OPERATOR_TRAFFIC, scope=self._some_scope())

    def resume(self) -> None:
        """Resumes the scope of some halt, or a scope of which none was halted."""
        halted = self._one_of([fact for fact in self.facts if isinstance(fact.event, TrafficHalted)])
        scope = self._some_scope()
        if halted and isinstance(halted.event, TrafficHalted) and self.rng.random() < 0.8:
            scope = halted.event.scope
        self._write("TrafficResumed", OPERATOR_TRAFFIC, scope=scope)

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
        if self.rng.random() < self.width:
            return Scope()
        return self._some_scope()

    def _some_scope(self) -> Scope:
        return Scope(
            brand=self.rng.choice((EVERYTHING, EVERYTHING, "acme", "other")),
            channel=self.rng.choice((EVERYTHING, EVERYTHING, "sms", "email")),
            purpose=self.rng.choice((EVERYTHING, EVERYTHING, "marketing", "marketing.offers", *PURPOSES)),
        )

    def _person(self, own_share: float = 0.55) -> str:
        return self.rng.choice(self.contacts if self.rng.random() < own_share else self.accounts)

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

    def _write(self, kind_of_event: str, subject: str, **said: object) -> None:
        envelope = {"kind": self.kinds.get(subject, "operator"), "subject": subject, "event_id": self._event_id()}
        first = {"occurred_at": self._when(subject), "idempotency_key": self._ref()}
        self._append(make_event(kind_of_event, **(envelope | first | said)))

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
