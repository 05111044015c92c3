"""What must be true after a run in which things were killed."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from multiprocessing import get_context
from typing import Any

import pytest

from consumers.bootstrap import open_ledger
from consumers.history_scan import every_event
from ledger.adapters.kafka_client import consumer
from ledger.adapters.kafka_decisions import KafkaDecisions
from ledger.decisions import UnreadableDecisionError
from ledger.log import Position
from ledger.record import Receipt
from projections.rebuilt import Rebuilt
from schemas.events import StatementCorrected
from schemas.subject import Subject
from schemas.times import parse_time
from schemas.topics import WATERMARK
from stack.processes import wait_until
from tests import reference_model
from tests.kafka.stage import Part, Stage
from tests.kafka.story import CHANNEL, NEVER_NEEDS, NUMBERS, STALE, Asked, Story
from tests.reference_model import Case, Fact, Message, answer_of, distinct, policy_at

POLL_MS = 200
OFF_MS = 120_000
"""So far a gateway's time may be from ours: a broker that stood still made its receipts old. Clocks are an hour off."""
FOUND_S = 180
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


class Judge:
    """Holds a story against the ledger and the reference model."""

    def __init__(self, stage: Stage, story: Story) -> None:
        self._story = story
        self._facts: dict[str, list[Fact]] = defaultdict(list)
        self._positions: dict[str, Position] = {}
        with open_ledger(stage.settings) as ledger:
            self._refs = {number: ledger.ref(Subject("number", number)) for number in NUMBERS}
            self._known = ledger.people.identities(list(self._refs.values()))
            for recorded, event in every_event(ledger.log):
                self._facts[event.subject].append(Fact(recorded.position, recorded.recorded_at, event))
                self._positions[event.event_id] = recorded.position
        self._facts = defaultdict(list, {subject: distinct(facts) for subject, facts in self._facts.items()})
        self._operator = [fact for subject, facts in self._facts.items() if ":" in subject for fact in facts]
        # Without corrections every event stands: nothing has to be looked at in pairs for each of the answers.
        assert not any(isinstance(fact.event, StatementCorrected) for facts in self._facts.values() for fact in facts)

    def lost(self) -> list[Receipt]:
        """Acknowledged events that the ledger does not hold where it said."""
        return [one for one in self._story.acknowledged if self._positions.get(one.event_id) != one.position]

    def wrong(self) -> list[tuple[Asked, str]]:
        """Answers that are not the reference model's at the watermark that they name."""
        asked = self._story.asked
        parts = [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]
        with get_context("fork").Pool(initializer=_judging_for, initargs=(self,)) as others:
            return [one for some in others.imap(_wrong, parts) for one in some]

    def wrong_of(self, some: Sequence[Asked]) -> list[tuple[Asked, str]]:
        """As `wrong`, of some of the answers."""
        with remembering():
            expected = [self._expected(asked.said) for asked in some]
        return [
            (asked, said)
            for asked, said in zip(some, expected, strict=True)
            if said not in (None, asked.said["reason"])
        ]

    def _expected(self, said: Mapping[str, Any]) -> str | None:
        """The reason that the rules give; None where the gateway said that it does not know enough."""
        if said["reason"] == STALE:
            return None
        contact = self._refs[said["subject"]]
        known = {int(partition): offset for partition, offset in said["watermark"].items()}
        own = self._facts[contact]
        names = {fact.event.account for fact in own if hasattr(fact.event, "account")}
        about = [*self._operator, *own, *(fact for name in names for fact in self._facts[name])]
        message = Message(contact, said["channel"], said["purpose"], said["brand"], "CA", None, parse_time(said["at"]))
        events = [fact for fact in about if fact.position.offset < known.get(fact.position.partition, 0)]
        return answer_of(Case(events, message, policy_at(events, message.at))).reason

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
        return [
            asked
            for asked in self._story.asked
            if asked.said["reason"] != STALE
            and any(one.gateway == asked.gateway and one.since <= asked.at <= one.until for one in self._story.refusing)
        ]

    def _allowing(self) -> Iterator[Asked]:
        for asked in self._story.asked:
            if asked.said["allowed"] and asked.said["purpose"] != NEVER_NEEDS:
                yield asked

    def too_late(self) -> list[tuple[Asked, Receipt]]:
        """Answers that allow what needs consent, from before an event that was known to be in force when they were
        asked for."""
        found = []
        enforced = sorted(self._story.enforced, key=lambda one: one.known_at)
        for asked in self._allowing():
            for one in enforced:
                if one.known_at >= asked.at:
                    break
                partition, offset = one.receipt.position
                if asked.said["watermark"].get(str(partition), 0) <= offset:
                    found.append((asked, one.receipt))
        return found


_judge: list[Judge] = []


def _judging_for(judge: Judge) -> None:
    _judge[:] = [judge]


def _wrong(some: Sequence[Asked]) -> list[tuple[Asked, str]]:
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
    wrong = judge.wrong()
    assert not wrong, f"{len(wrong)} wrong answers, the first: {wrong[:3]}"
    assert judge.too_late() == []
    assert judge.by_another_clock() == []
    assert judge.unfounded() == []
    assert judge.forgotten() == []
    known = sum(count for reason, count in reasons.items() if reason != "stale")
    assert known > len(story.asked) / 10, reasons


def decisions_are_on_record(stage: Stage, story: Story) -> None:
    """All that was answered, also by gateways that were killed since: another process logs it then.

    What could not be logged while the broker was away, the next process of that gateway finds within a minute.
    """
    asked = {str(one.said["decision_id"]) for one in story.asked}
    with closing(KafkaDecisions(stage.settings.broker())) as log:
        wait_until(lambda: not asked - _on_record(log), FOUND_S, "all that was answered is on record", every=10)


def _on_record(log: KafkaDecisions) -> set[str]:
    found = set()
    for stored in log.scan():
        with suppress(UnreadableDecisionError):  # what a fault has put there
            found.add(stored.read().decision_id)
    return found


def tables_are_a_fold_of_the_ledger(stage: Stage, story: Story) -> None:
    """The compacted topics hold, byte for byte, what a fold from the first event gives: nothing lost, nothing twice.

    What a fault has put there of those of whom nobody speaks lies where it was put, and denies.
    """
    with open_ledger(stage.settings) as ledger:
        expected = dict(Rebuilt(ledger.log).all_parts()) | story.poisoned
    found = committed_states(stage)
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []
    for gateway in stage.gateways:
        for number in story.held:
            wait_until(lambda by=gateway, whom=number: _holds(by, whom), FOUND_S, f"{gateway.name} holds {number}")  # type: ignore[misc]


def _holds(gateway: Part, number: str) -> bool:
    """Whether a gateway says so; it may be stale, or too busy to answer, but it allows nothing meanwhile."""
    said = gateway.decide(contact=number, channel=CHANNEL, purpose="marketing.offers")
    assert said is None or not said["allowed"], (gateway.name, said)
    assert said is None or said["reason"] in (STALE, "held_for_review"), (gateway.name, said)
    return said is not None and said["reason"] == "held_for_review"


def committed_states(stage: Stage) -> dict[str, bytes]:
    """The last committed value of every key of the three tables."""
    from kafka import TopicPartition

    broker = stage.settings.broker()
    states: dict[str, bytes] = {}
    with closing(consumer(broker, isolation_level="read_committed")) as reading:
        places = [
            TopicPartition(topic, partition)
            for topic in broker.topics.tables.values()
            for partition in range(stage.partitions)
        ]
        reading.assign(places)
        reading.seek_to_beginning(*places)
        ends = reading.end_offsets(places)
        while any(reading.position(place) < ends[place] for place in places):
            for records in reading.poll(timeout_ms=POLL_MS).values():
                for record in records:
                    states[record.key.decode()] = record.value
    return {key: value for key, value in states.items() if not key.startswith(WATERMARK)}
