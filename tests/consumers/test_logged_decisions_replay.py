"""Every decision on record comes out the same from the ledger at its own watermark, and what does not is named."""

from random import Random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.copy import Copy, ViewCopy
from consumers.decisions.logged import logged
from consumers.decisions.replaying import Replayer, Summary, replay_all
from consumers.gate import Gate
from consumers.gateway.answers import blind
from consumers.replica import Replica
from ledger.decisions import Stored
from ledger.log import Log
from schemas.distributed import LoggedDecision
from schemas.errors import ScopeError
from schemas.subject import Subject
from tests.consumers.asking import NOW, NUMBER, REFERENCES, Facts
from tests.consumers.facts_log import FactsLog
from tests.histories import history, questions, some_knowledge
from tests.projections.folding import view_of
from tests.reference_model import Message

PROCESS = "019b0000-0000-7000-8000-000000000001"
OFFERS = {"channel": "sms", "purpose": "marketing.offers"}


class Aged(ViewCopy):
    """A copy that is so old; everything is known to it at the watermark of its view."""

    age = 0.0

    def staleness_s(self) -> float:
        """As was said."""
        return self.age


def record_of(asked: Gate, message: Message) -> LoggedDecision | None:
    """What a gate's answer leaves on record; None where the message cannot be asked about."""
    try:
        decision = asked.decide_ref(
            bytes.fromhex(message.contact), "email", message.contact, channel=message.channel,
            purpose=message.purpose, brand=message.brand, sender=message.sender, at=message.at,
            jurisdiction=message.jurisdiction,
        )  # fmt: skip
    except ScopeError:
        return None
    # Contacts of histories are references already.
    return logged(decision, REFERENCES, "sms-1", PROCESS).model_copy(update={"subject": message.contact})


def differing(log: FactsLog, records: list[LoggedDecision]) -> list[LoggedDecision]:
    """Those that come out otherwise, read back from the bytes that logs keep."""
    stored = [Stored(0, b"", record.model_dump_json().encode()) for record in records]
    summary = Summary()
    found = [one.decision for one in replay_all(cast(Log, log), stored, summary)]
    assert summary.decisions == len(records)
    return found


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_whatever_happened_each_decision_replays_to_the_bit(seed: int) -> None:
    rng = Random(seed)
    story = history(rng, events=rng.randint(3, 45), partitions=rng.choice((1, 3)))
    log = FactsLog(story.facts, story.partitions)
    records = []
    for _ in range(4):
        view = view_of(story.facts, some_knowledge(rng, story))
        copy: Copy = Aged(view) if rng.random() < 0.5 else Replica.load(view, REFERENCES.fingerprint, bits=6)
        if isinstance(copy, Aged):
            copy.age = rng.choice((0.0, 29.9999, 30.0, 30.0001, 31.0, float("inf")))
        asked = Gate(copy, REFERENCES)
        records += [record_of(asked, message) for message in questions(rng, story, count=20)]
    kept = [one for one in records if one is not None]
    assert differing(log, kept) == []


def said(**fields: object) -> tuple[FactsLog, LoggedDecision]:
    """A ledger in which somebody opted out and in again, and what is on record of a decision between the two."""
    facts = Facts()
    facts.says("PreferenceRevoked", "number", NUMBER)
    view = view_of(facts.facts)
    decision = Gate(ViewCopy(view), REFERENCES).decide(NUMBER, **OFFERS, at=NOW)
    facts.says("PreferenceGranted", "number", NUMBER)
    record = logged(decision, REFERENCES, "sms-1", PROCESS)
    return FactsLog(facts.facts, 1), record.model_copy(update=fields)


def test_what_was_recorded_after_the_decision_changes_nothing() -> None:
    log, record = said()
    found = Replayer(cast(Log, log)).replay(record)
    assert record.reason == "revoked_by_number"
    assert found.differences() == []
    later = Replayer(cast(Log, log)).replay(record.model_copy(update={"watermark": {0: 3}, "at": NOW}))
    assert later.verdict.reason == "granted"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"allowed": True}, {"allowed"}),
        ({"reason": "granted", "allowed": True}, {"allowed", "reason"}),
        ({"rule": "most-restrictive@2"}, {"rule"}),
        ({"policy": "default@2"}, {"policy"}),
        ({"evidence": ()}, {"evidence"}),
        ({"watermark": {0: 3}}, {"allowed", "reason", "evidence"}),
        ({"watermark": {0: 99}}, {"allowed", "reason", "evidence", "watermark"}),
        ({"watermark": {}}, {"reason", "policy", "rule", "evidence"}),
        ({"at": 0}, {"reason", "rule", "evidence"}),
        ({"purpose": "service.codes"}, {"allowed", "reason", "rule", "evidence"}),
        ({"staleness_ms": 30_001}, {"reason", "rule", "evidence"}),
        ({"staleness_ms": None}, {"reason", "rule", "evidence"}),
    ],
)
def test_a_record_that_was_changed_comes_out_otherwise_and_it_is_said_in_what(
    fields: dict[str, Any], named: set[str]
) -> None:
    log, record = said(**fields)
    assert {one.field for one in Replayer(cast(Log, log)).replay(record).differences()} == named


def test_an_answer_of_a_gateway_that_knew_nothing_yet_replays_as_stale() -> None:
    log, _ = said()
    decision = blind(Subject("number", NUMBER), "sms", "marketing.offers", "acme", None, NOW, None)
    record = logged(decision, REFERENCES, "sms-1", PROCESS)
    found = Replayer(cast(Log, log)).replay(record)
    assert (record.reason, record.staleness_ms, found.differences()) == ("stale", None, [])


def test_a_halted_decision_is_halted_again_and_a_stale_one_stale_although_the_ledger_was_at_hand() -> None:
    facts = Facts()
    facts.says("PreferenceGranted", "number", NUMBER)
    copy = Aged(view_of(facts.facts))
    copy.age = 31.0
    stale = logged(Gate(copy, REFERENCES).decide(NUMBER, **OFFERS, at=NOW), REFERENCES, "sms-1", PROCESS)
    facts.halts()
    copy = Aged(view_of(facts.facts))
    copy.age = 31.0
    halted = logged(Gate(copy, REFERENCES).decide(NUMBER, **OFFERS, at=NOW), REFERENCES, "sms-1", PROCESS)
    replayer = Replayer(cast(Log, FactsLog(facts.facts, 1)))
    assert [one.reason for one in (stale, halted)] == ["stale", "halted"]
    assert [replayer.replay(one).differences() for one in (stale, halted)] == [[], []]
