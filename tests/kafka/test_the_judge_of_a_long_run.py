"""The judge of a long run names what is wrong, each field of it: one answer is made false, and it is found."""

from typing import Any

import pytest

from ledger.broker import Broker
from ledger.log import Position
from schemas.decision import RULES
from schemas.distributed import RejectedEntry
from schemas.times import rfc3339
from tests.controls import EVENTS, NOW, NUMBER, NUMBER_REF, POLICY, event, event_id
from tests.kafka.answered import Answer
from tests.kafka.judged import Judge
from tests.kafka.remains import poison_is_set_aside_once
from tests.kafka.story import Asked, Refusing, Story
from tests.kafka.test_poison_in_every_topic import put
from tests.kafka.workers import make_topics
from tests.reference_model import Fact

YES = EVENTS["PreferenceGranted"]
FACTS = [Fact(Position(0, place), NOW, one) for place, one in enumerate((EVENTS["PolicyPublished"], YES))]
GRANTED: dict[str, Any] = {
    "decision_id": event_id(500), "subject": NUMBER.id, "channel": "sms", "purpose": "marketing.offers",
    "brand": "acme", "sender": None, "at": rfc3339(NOW + 10), "allowed": True, "reason": "granted",
    "rule": RULES["granted"], "policy": POLICY.label, "evidence": [YES.event_id], "watermark": {"0": 2},
    "staleness_s": 1.0,
}  # fmt: skip
DENIED = {"allowed": False, "evidence": []}
STALE = {**DENIED, "reason": "stale", "rule": RULES["stale"], "staleness_s": 30.1}


def judge_of(*facts: Fact, **said: object) -> Judge:
    """Of a run in which there was one answer, to which all that is known is a yes: `said` otherwise than it should."""
    story = Story(asked=[Asked("sms-1", 0.0, GRANTED | said)])
    return Judge(story, {NUMBER.id: NUMBER_REF}, [*FACTS, *facts], {})


def found(judge: Judge) -> dict[str, object]:
    """What should be otherwise."""
    return dict(named for wrong in judge.wrong(judge.answers) for named in wrong.expected.items())


def test_what_the_rules_give_is_right() -> None:
    assert found(judge_of()) == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"allowed": False}, {"allowed": True}),
        ({"reason": "permitted_by_policy", "rule": RULES["permitted_by_policy"]}, {"reason": "granted"}),
        ({"rule": "silence@1"}, {"rule": RULES["granted"]}),
        ({"policy": "control@1"}, {"policy": POLICY.label}),
        ({"evidence": []}, {"evidence": {YES.event_id}}),
        ({"evidence": [YES.event_id, event_id(501)]}, {"evidence": {YES.event_id}}),
    ],
    ids="-".join,
)
def test_each_field_that_is_false_is_named(said: dict[str, object], expected: dict[str, object]) -> None:
    named = found(judge_of(**said))
    assert {name: named.get(name) for name in expected} == expected


def test_of_several_processes_each_judges_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.kafka.judged.AT_ONCE", 2)
    judge = judge_of(allowed=False)
    assert len(judge.wrong(judge.answers * 5)) == 5


@pytest.mark.parametrize("age_s", [30.1, None])
def test_a_copy_that_is_too_old_or_in_pieces_says_no(age_s: float | None) -> None:
    assert found(judge_of(**STALE | {"staleness_s": age_s})) == {}
    assert found(judge_of(**STALE | {"staleness_s": age_s, "allowed": True})) == {"allowed": False}
    assert found(judge_of(staleness_s=age_s))["reason"] == "stale"


def test_stale_is_no_answer_of_a_copy_that_is_young() -> None:
    assert found(judge_of(**STALE | {"staleness_s": 29.9}))["reason"] == "granted"


def test_stale_is_no_answer_to_what_never_needs_consent() -> None:
    assert found(judge_of(**STALE | {"purpose": "emergency"}))["reason"] == "never_needs_consent"


def test_stale_is_the_answer_to_everything_where_nothing_is_known_yet() -> None:
    blind = STALE | {"purpose": "emergency", "policy": "none@0", "watermark": {}, "staleness_s": None}
    assert found(judge_of(**blind)) == {}


def test_stale_is_no_answer_to_what_is_halted() -> None:
    halted = Fact(Position(0, 2), NOW, event("TrafficHalted"))
    assert found(judge_of(halted, **STALE | {"watermark": {"0": 3}}))["reason"] == "halted"


@pytest.mark.parametrize(
    "otherwise",
    [
        {"allowed": False}, {"reason": "no_consent"}, {"evidence": ()}, {"watermark": {0: 1}}, {"at": NOW},
        {"staleness_ms": None}, {"policy": "control@1"}, {"subject": "ab" * 16},
    ],
    ids="-".join,
)  # fmt: skip
def test_a_record_that_says_otherwise_than_the_answer_is_named(otherwise: dict[str, Any]) -> None:
    judge = judge_of()
    [answer] = judge.answers
    assert judge.otherwise_on_record([answer]) == []
    record = answer._replace(**otherwise)
    [wrong] = judge.otherwise_on_record([answer, record])
    assert (wrong.answer, wrong.expected.keys()) == (record, otherwise.keys())


def test_only_a_gateway_with_another_secret_may_put_it_on_record_for_a_reference_of_nobody() -> None:
    judge = judge_of()
    [answer] = judge.answers
    record = answer._replace(subject="ab" * 16)
    for gateway, secret, named in (("sms-1", False, 1), ("sms-2", True, 1), ("sms-1", True, 0)):
        judge.story.refusing[:] = [Refusing(gateway, -1.0, 1.0, secret)]
        assert len(judge.otherwise_on_record([record])) == named
        assert len(judge.otherwise_on_record([record._replace(allowed=False)])) == 1


def test_an_answer_that_nobody_waited_for_is_held_against_the_rules_by_its_record() -> None:
    judge = judge_of()
    [answer] = judge.answers
    record: Answer = answer._replace(decision_id=event_id(501), evidence=())
    other = record._replace(decision_id=event_id(502), subject="ab" * 16)
    assert judge.unheard([answer, record, other]) == [record]
    assert judge.otherwise_on_record([record, other]) == []
    assert [wrong.expected for wrong in judge.wrong([record])] == [{"evidence": {YES.event_id}}]


@pytest.mark.kafka
@pytest.mark.parametrize("places", [[], [(1, 7), (1, 7)], [(1, 7), (1, 8)]], ids=["never", "twice", "one more"])
def test_poison_that_is_not_set_aside_exactly_once_is_named(places: list[tuple[int, int]], broker: Broker) -> None:
    with pytest.raises(AssertionError):
        poison_is_set_aside_once(set_aside_at(broker, places), Story(poison=[(1, 7)]))


@pytest.mark.kafka
def test_poison_that_is_set_aside_once_is_as_it_should_be(broker: Broker) -> None:
    poison_is_set_aside_once(set_aside_at(broker, [(1, 7)]), Story(poison=[(1, 7)]))


def set_aside_at(broker: Broker, places: list[tuple[int, int]]) -> Broker:
    """A broker where a worker has set aside what stands in the ledger there, and a gateway something else."""
    make_topics(broker)
    names = broker.topics
    for topic, place in ((names.table("by-number"), (0, 0)), *((names.ledger, place) for place in places)):
        entry = RejectedEntry(topic=topic, partition=place[0], offset=place[1], reason="it is none")
        put(broker, names.rejected, (b"k", entry.model_dump_json().encode()))
    return broker
