"""What must be true after a run in which things were killed."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, NamedTuple, Self

import pytest

from consumers.bootstrap import open_ledger
from consumers.history_scan import every_event
from ledger.people import Identity
from ledger.record import Receipt
from schemas.decision import RULES
from schemas.events import StatementCorrected
from schemas.subject import Subject
from schemas.times import parse_time
from tests import reference_model
from tests.kafka.answered import Answer
from tests.kafka.stage import Stage
from tests.kafka.story import NEVER_NEEDS, NUMBERS, STALE, Asked, Refusing, Story
from tests.reference_model import Case, Fact, Message, answer_of, distinct, halts, never_needs_consent, policy_at

OFF_MS = 120_000
"""So far a gateway's time may be from ours: a broker that stood still made its receipts old. Clocks are an hour off."""
AT_ONCE = 500
"""Answers that one of several processes judges before it tells."""

OFTEN_ASKED = ("happened", "revocations", "said_yes", "grants", "memberships", "linked", "leavings", "had_left")


@contextmanager
def remembering() -> Iterator[None]:
    """The reference model asks itself the same again and again; for one case it now does so once.

    Its functions are pure, so what they say stays what it was; and what happened to a subject is looked for among the
    events of that subject. A long run of answers is judged in minutes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference_model, "happened", _among_its_own(reference_model.happened))
        for name in OFTEN_ASKED:
            patch.setattr(reference_model, name, _once_a_case(getattr(reference_model, name)))
        yield


def _once_a_case(function: Callable[..., Any]) -> Callable[..., Any]:
    of: list[Any] = [None]
    said: dict[tuple[object, ...], Any] = {}

    def asked(case: Case, *others: object) -> Any:  # noqa: ANN401
        if case is not of[0]:
            of[0] = case
            said.clear()
        if others not in said:
            said[others] = function(case, *others)
        return said[others]

    return asked


def _among_its_own(happened: Callable[..., list[Fact]]) -> Callable[..., list[Fact]]:
    of: list[Any] = [None]
    own: dict[str, list[Fact]] = defaultdict(list)

    def asked(case: Case, subject: str, *types: type) -> list[Fact]:
        if case is not of[0]:
            of[0] = case
            own.clear()
            for fact in case.events:
                own[fact.event.subject].append(fact)
        return happened(case._replace(events=own[subject]), subject, *types)

    return asked


class Wrong(NamedTuple):
    """An answer, and of each field that should be otherwise what it should be."""

    answer: Answer
    expected: Mapping[str, object]


def _differing(answer: Answer, expected: Mapping[str, object]) -> dict[str, object]:
    given = answer._asdict()
    return {name: value for name, value in expected.items() if given[name] != value}


class Judge:
    """Holds a story against the ledger and the reference model."""

    def __init__(
        self, story: Story, refs: Mapping[str, str], facts: Iterable[Fact], known: Mapping[str, Identity]
    ) -> None:
        """`refs`: the reference of each number; `facts`: all of the ledger; `known`: whose each reference is."""
        self.story, self._refs, self._known = story, refs, known
        self.answers = [Answer.of_gateway(asked.gateway, asked.said, refs) for asked in story.asked]
        by_subject: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            by_subject[fact.event.subject].append(fact)
        self._positions = {one.event.event_id: one.position for facts in by_subject.values() for one in facts}
        self._facts = defaultdict(list, {subject: distinct(facts) for subject, facts in by_subject.items()})
        self._operator = [fact for subject, facts in self._facts.items() if ":" in subject for fact in facts]
        # Without corrections every event stands: nothing has to be looked at in pairs for each of the answers.
        assert not any(isinstance(fact.event, StatementCorrected) for facts in self._facts.values() for fact in facts)

    @classmethod
    def of(cls, stage: Stage, story: Story) -> Self:
        """Of what a stage's ledger holds now."""
        with open_ledger(stage.settings) as ledger:
            refs = {number: ledger.ref(Subject("number", number)) for number in NUMBERS}
            facts = [Fact(one.position, one.recorded_at, event) for one, event in every_event(ledger.log)]
            return cls(story, refs, facts, ledger.people.identities(list(refs.values())))

    def lost(self) -> list[Receipt]:
        """Acknowledged events that the ledger does not hold where it said."""
        return [one for one in self.story.acknowledged if self._positions.get(one.event_id) != one.position]

    def wrong(self, answers: Sequence[Answer]) -> list[Wrong]:
        """Answers that are not the reference model's at the watermark that they name."""
        parts = [answers[start : start + AT_ONCE] for start in range(0, len(answers), AT_ONCE)]
        with get_context("fork").Pool(initializer=_judging_for, initargs=(self,)) as others:
            return [one for some in others.imap(_wrong, parts) for one in some]

    def wrong_of(self, some: Sequence[Answer]) -> list[Wrong]:
        """As `wrong`, in this process."""
        found = []
        with remembering():
            for answer in some:
                unordered = answer._replace(evidence=frozenset(answer.evidence))
                if otherwise := _differing(unordered, self._expected(answer)):
                    found.append(Wrong(answer, otherwise))
        return found

    def _expected(self, answer: Answer) -> dict[str, object]:
        """What the rules give, of what a record holds."""
        case = self._case(answer)
        allowed, reason, evidence = (False, STALE, frozenset()) if _is_too_old(case, answer) else answer_of(case)
        return {
            "allowed": allowed, "reason": reason, "rule": RULES[answer.reason], "policy": case.policy.label,
            "evidence": evidence,
        }  # fmt: skip

    def _case(self, answer: Answer) -> Case:
        own = self._facts[answer.subject]
        names = {fact.event.account for fact in own if hasattr(fact.event, "account")}
        about = [*self._operator, *own, *(fact for name in names for fact in self._facts[name])]
        events = [fact for fact in about if fact.position.offset < answer.watermark.get(fact.position.partition, 0)]
        said = (answer.subject, answer.channel, answer.purpose, answer.brand)
        message = Message(*said, jurisdiction="CA", sender=None, at=answer.at)
        return Case(events, message, policy_at(events, message.at))

    def otherwise_on_record(self, records: Iterable[Answer]) -> list[Wrong]:
        """Records that do not say what was answered; what was answered is what they should say.

        Until a gateway finds that it was given another secret, it says no by references of nobody.
        """
        answered = {answer.decision_id: answer for answer in self.answers}
        strange = {
            str(asked.said["decision_id"])
            for asked in self.story.asked
            if any(one.has_another_secret for one in self._refusing(asked))
        }
        found = []
        for record in records:
            answer = answered.get(record.decision_id, record)
            ours = {"subject": record.subject} if record.decision_id in strange else {}
            if otherwise := _differing(record, answer._asdict() | ours):
                found.append(Wrong(record, otherwise))
        return found

    def unheard(self, records: Iterable[Answer]) -> list[Answer]:
        """Records of answers that did not reach whoever asked, about those who are spoken of."""
        answered, spoken_of = {answer.decision_id for answer in self.answers}, set(self._refs.values())
        return [one for one in records if one.decision_id not in answered and one.subject in spoken_of]

    def forgotten(self) -> list[str]:
        """Numbers of whom there are events, and of whom nobody knows any more whose they are."""
        return [
            number
            for number, ref in self._refs.items()
            if self._facts[ref] and (ref not in self._known or self._known[ref].id != number)
        ]

    def by_another_clock(self) -> list[Asked]:
        """Answers that allow what needs consent, as of another time than the one at which they were asked for."""
        since = time.time() - time.monotonic()
        return [
            asked
            for asked in self._allowing()
            if abs(parse_time(asked.said["at"]) - (asked.at + since) * 1_000) > OFF_MS
        ]

    def unfounded(self) -> list[Asked]:
        """Answers of a gateway while it had nothing but what is of another ledger or of another secret."""
        return [asked for asked in self.story.asked if asked.said["reason"] != STALE and any(self._refusing(asked))]

    def _refusing(self, asked: Asked) -> Iterator[Refusing]:
        for one in self.story.refusing:
            if one.gateway == asked.gateway and one.since <= asked.at <= one.until:
                yield one

    def _allowing(self) -> Iterator[Asked]:
        for asked in self.story.asked:
            if asked.said["allowed"] and asked.said["purpose"] != NEVER_NEEDS:
                yield asked

    def too_late(self) -> list[tuple[Asked, Receipt]]:
        """Answers that allow what needs consent, from before an event that was known to be in force when they were
        asked for."""
        found = []
        enforced = sorted(self.story.enforced, key=lambda one: one.known_at)
        for asked in self._allowing():
            for one in enforced:
                if one.known_at >= asked.at:
                    break
                partition, offset = one.receipt.position
                if asked.said["watermark"].get(str(partition), 0) <= offset:
                    found.append((asked, one.receipt))
        return found


def _is_too_old(case: Case, answer: Answer) -> bool:
    """Whether the copy was older than the policy allows; it tells of codes and of the stop switch all the same."""
    if never_needs_consent(case) or halts(case):
        return False
    limit_ms = case.policy.max_staleness_s(case.message.purpose) * 1_000
    return answer.staleness_ms is None or answer.staleness_ms > limit_ms


_judge: list[Judge] = []


def _judging_for(judge: Judge) -> None:
    _judge[:] = [judge]


def _wrong(some: Sequence[Answer]) -> list[Wrong]:
    return _judge[0].wrong_of(some)


def judged(judge: Judge, story: Story) -> None:
    """Nothing acknowledged is lost, no answer is wrong, none is from before what was known to be in force."""
    reasons = Counter(str(one.said["reason"]) for one in story.asked)
    print(
        f"\n{len(story.acknowledged)} acknowledged, {len(story.asked)} asked {dict(reasons)}, "
        f"{len(story.enforced)} confirmed, faults {dict(Counter(story.faults))}, {story.refused} refused"
    )
    assert story.acknowledged
    assert story.enforced
    assert judge.lost() == []
    wrong = judge.wrong(judge.answers)
    assert not wrong, f"{len(wrong)} wrong answers, the first: {wrong[:3]}"
    assert judge.too_late() == []
    assert judge.by_another_clock() == []
    assert judge.unfounded() == []
    assert judge.forgotten() == []
    known = sum(count for reason, count in reasons.items() if reason != STALE)
    assert known > len(story.asked) / 10, reasons
