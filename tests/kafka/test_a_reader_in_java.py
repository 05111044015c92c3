"""A reader in another language joins the compacted tables itself, and answers as we do.

The reader is the example of docs/readers/java. Nasty histories go into a ledger topic, states and watermarks into the
tables; ours is worked out from the events alone, so that the tables, their reading and the rules are all held to it.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, get_args

import orjson
import pytest

from ledger.adapters.kafka_client import producer
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.broker import Broker
from ledger.log import Position
from projections.adapters.memory_view import MemoryView
from projections.catch_up import fold_batch
from projections.fold import Part
from projections.reading import read
from projections.view import Histories
from schemas.decision import Reason
from schemas.encoding import encode
from schemas.events import OPERATOR_POLICY
from schemas.policy import Policy
from schemas.scope import Scope
from schemas.topics import Topics
from stack.kafka import NoJavaError
from stack.processes import wait_until
from tests.histories import START, History, history, make_event, questions
from tests.kafka.eras import eras_of, questions_of
from tests.kafka.java_reader import EXAMPLE, JavaReader, Told, ask_the_rules, asked, compile_reader
from tests.kafka.workers import Worker, make_topics, told, wait_for_all
from tests.kafka.written_tables import WrittenTables
from tests.projections.folding import asked as ours
from tests.projections.folding import recorded, view_of
from tests.reference_model import Fact, Message
from tests.test_decision_table import page, row

pytestmark = pytest.mark.kafka

PARTITIONS = 4
COMPACTED_AT_ONCE = {
    "segment.ms": "1", "min.cleanable.dirty.ratio": "0.001", "min.compaction.lag.ms": "0", "max.compaction.lag.ms": "1",
}  # fmt: skip
"""Every transaction begins a segment, and the broker compacts whenever it looks."""
UNKNOWN = {"added_tomorrow": {"type": "PreferenceGranted", "parts": 7}}
NUMBER, ACCOUNT = "a" * 32, "b" * 32
QUESTION = Message(NUMBER, "sms", "service", "acme", None, None, START)


def said(place: int, kind_of_event: str, kind: str, subject: str, **fields: object) -> Fact:
    """The event at a place of the only partition."""
    envelope = {"event_id": event_id(place), "idempotency_key": f"{place:032x}"}
    event = make_event(kind_of_event, kind=kind, subject=subject, occurred_at=START, **envelope, **fields)
    return Fact(Position(0, place), START, event)


def event_id(place: int) -> str:
    """The id of the event at a place."""
    return f"00000000-0000-7000-8000-{place:012x}"


POLICY = Policy.model_validate(
    {
        **{"name": "test", "version": "1", "effective_from": 0, "brand": "acme", "brands": ["acme"]},
        **{"channels": ["sms"], "purposes": {"service": {"regime": "opt_out"}}},
    }
)
STORY = [
    said(0, "PolicyPublished", "operator", OPERATOR_POLICY, policy=POLICY),
    said(1, "ContactLinked", "number", NUMBER, account=ACCOUNT),
    said(2, "PreferenceRevoked", "number", NUMBER, scope=Scope()),
    said(3, "PreferenceRevoked", "account", ACCOUNT, scope=Scope()),
    said(4, "StatementCorrected", "number", NUMBER, corrects=event_id(2)),
]
"""Silence is enough here. A number says no; its account does; the number's was wrong. At no moment it may be texted."""


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader, compiled."""
    try:
        return compile_reader(EXAMPLE, tmp_path_factory.mktemp("classes"))
    except NoJavaError as error:
        pytest.skip(str(error))


def ours_of(view: MemoryView, messages: Iterable[Message]) -> list[tuple[bool, str, frozenset[str]]]:
    """What our own resolver answers."""
    histories = Histories(view)
    verdicts = [ours(view, message, histories) for message in messages]
    return [(verdict.allowed, verdict.reason, frozenset(verdict.evidence)) for verdict in verdicts]


def theirs_of(answers: Iterable[Told]) -> list[tuple[bool, str, frozenset[str]]]:
    """The same of the answers that the reader gave."""
    return [(answer.allowed, answer.reason, answer.evidence) for answer in answers]


class Written(NamedTuple):
    """A ledger on the broker, and its tables as our worker has written them."""

    broker: Broker
    eras: list[History]
    view: MemoryView
    """What the same events fold to here."""


@pytest.fixture(scope="module")
def written(broker_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """Nasty histories in the ledger topic, folded by a worker that goes on running."""
    broker = Broker((broker_address,), Topics(f"t-{uuid.uuid4().hex[:12]}"))
    make_topics(broker, PARTITIONS)
    eras = eras_of(Random(41), PARTITIONS)
    facts = [fact for era in eras for fact in era.facts]
    with Worker(broker, tmp_path_factory.mktemp("worker")) as worker:
        worker.wait_until_ready()
        set_topics(broker, [broker.topics.ledger], {"message.timestamp.type": "CreateTime"})
        append_at_their_times(broker, facts)
        wait_for_all(broker)
        yield Written(broker, eras, view_of(facts))


def append_at_their_times(broker: Broker, facts: Sequence[Fact]) -> None:
    """Appends to the ledger; the histories quarrel about its clock, so it is theirs for once."""
    writing = producer(broker)
    topic = broker.topics.ledger
    sent = [
        writing.send(
            topic, encode(event), event.subject.encode(), partition=place.partition, timestamp_ms=recorded_at
        )
        for place, recorded_at, event in facts
    ]  # fmt: skip
    stored = [future.get(30) for future in sent]
    assert [Position(it.partition, it.offset) for it in stored] == [fact.position for fact in facts]
    writing.close()


def set_topics(broker: Broker, names: Iterable[str], settings: Mapping[str, str]) -> None:
    """Changes settings of topics."""
    topics = KafkaTopics(broker)
    for name in names:
        topics.set(name, settings)
    topics.close()


def test_it_agrees_with_us_on_ten_thousand_decisions(classes: Path, written: Written, tmp_path: Path) -> None:
    messages = questions_of(Random(42), written.eras, 10_500)
    with JavaReader(classes, written.broker, tmp_path) as reader:
        answers = reader.ask_all(messages)
    expected = ours_of(written.view, messages)
    assert len(expected) > 10_000
    assert theirs_of(answers) == expected
    assert all(answer.watermark == written.view.watermark() for answer in answers)
    reasons = Counter(reason for _, reason, _ in expected)
    assert min(reasons[reason] for reason in get_args(Reason) if reason != "stale") > 50, reasons
    assert any("#" in key for key, _ in written.view.all_parts()), "no state goes on in a second part"


def test_it_answers_the_same_from_tables_that_were_compacted(classes: Path, written: Written, tmp_path: Path) -> None:
    messages = questions_of(Random(43), written.eras, 500)
    tables = written.broker.topics.tables.values()
    before = records_in(written.broker)
    set_topics(written.broker, tables, COMPACTED_AT_ONCE)
    wait_until(lambda: records_in(written.broker) < before, 90, "the broker compacts the tables", every=1)
    with JavaReader(classes, written.broker, tmp_path) as reader:
        assert theirs_of(reader.ask_all(messages)) == ours_of(written.view, messages)


def records_in(broker: Broker) -> int:
    """How many records of subjects the tables hold."""
    records = [told(broker, name).values() for name in broker.topics.tables.values()]
    return sum(not (record.key or b"").startswith(b"~") for of in records for partition in of for record in partition)


def test_its_rules_give_the_answer_of_every_row_of_the_decision_table(classes: Path) -> None:
    rows = [row(cells) for cells in page()]
    cases = [{"states": states_of(view_of(it.facts, it.known)), "question": asked(it.message)} for it in rows]
    answers = ask_the_rules(classes, cases)
    assert [(it.number, answer.reason) for it, answer in zip(rows, answers, strict=True)] == [
        (it.number, it.reason) for it in rows
    ]
    expected = [ours_of(view_of(it.facts, it.known), [it.message])[0] for it in rows]
    assert theirs_of(answers) == expected


def states_of(view: MemoryView) -> dict[str, list[Any]]:
    """The stored parts of every subject's state, in order."""
    states: dict[str, list[Any]] = {}
    for _, stored in view.all_parts():
        part = orjson.loads(stored)
        states.setdefault(part["subject"], []).append(part)
    return {subject: sorted(parts, key=itemgetter("part")) for subject, parts in states.items()}


def test_fields_and_events_that_it_does_not_know_are_passed_over(classes: Path) -> None:
    rng = Random(43)
    cases, expected = [], []
    for _ in range(20):
        drawn = history(rng, 40)
        view, messages = view_of(drawn.facts), questions(rng, drawn, 25)
        states = states_from_tomorrow(view)
        cases += [{"states": states, "question": asked(message) | UNKNOWN} for message in messages]
        expected += ours_of(view, messages)
    assert theirs_of(ask_the_rules(classes, cases)) == expected


def states_from_tomorrow(view: MemoryView) -> dict[str, list[Any]]:
    """The states with what a later version may add: fields everywhere, and entries of a new type."""
    states = states_of(view)
    for part in chain.from_iterable(states.values()):
        part["entries"] = [entry | UNKNOWN for entry in part["entries"]]
        for entry in part["entries"]:
            if "policy" in entry:
                entry["policy"] |= UNKNOWN
        part["entries"].insert(0, {**part["entries"][0], "type": "SomethingHappened", "idempotency_key": "f" * 32})
        part.update(UNKNOWN)
    return states


def test_a_watermark_that_is_not_yet_in_all_three_tables_counts_in_none(
    classes: Path, broker: Broker, tmp_path: Path
) -> None:
    """The number's no is gone before its account's is there: a half-read ledger allows what no moment allowed."""
    with WrittenTables(broker) as tables:
        tables.write(changed_by(STORY[:3]), 3)
        with JavaReader(classes, broker, tmp_path) as reader:
            own = ("revoked_by_number", frozenset({event_id(2)}), {0: 3})
            assert reader.ask(QUESTION)[1:] == own
            tables.write(changed_by(STORY), 5, ("by-number", "reference"))
            reader.refresh()
            assert reader.ask(QUESTION)[1:] == own
            tables.write(changed_by(STORY), 5, ("by-account",))
            reader.refresh()
            assert reader.ask(QUESTION)[1:] == ("revoked_by_account", frozenset({event_id(3)}), {0: 5})


def test_what_a_worker_has_taken_back_is_not_seen(classes: Path, broker: Broker, tmp_path: Path) -> None:
    with WrittenTables(broker) as tables:
        tables.take_back(changed_by(STORY), 5)
        tables.write(changed_by(STORY[:1]), 1)
        tables.take_back(changed_by(STORY), 5)
        with JavaReader(classes, broker, tmp_path) as reader:
            assert reader.ask(QUESTION)[1:] == ("permitted_by_policy", frozenset(), {0: 1})


def test_by_number_alone_is_no_answer(classes: Path) -> None:
    view = view_of(STORY)
    case = {"states": states_of(view), "question": asked(QUESTION)}
    alone = {"states": case["states"] | {ACCOUNT: []}, "question": case["question"]}
    assert [answer.reason for answer in ask_the_rules(classes, [case, alone])] == [
        "revoked_by_account",
        "permitted_by_policy",
    ]


def test_what_it_cannot_answer_it_does_not_allow(classes: Path, broker: Broker, tmp_path: Path) -> None:
    with WrittenTables(broker) as tables:
        parts = changed_by(STORY)
        torn = {key: part._replace(parts=2) if key == NUMBER else part for key, part in parts.items()}
        tables.write(torn, 5)
        with JavaReader(classes, broker, tmp_path) as reader:
            error = reader.error_of(asked(QUESTION))
            assert error == f"part 1 of the state of {NUMBER} is missing"
            for wrong in ({"contact": "+14165550123"}, {"contact": None}, {"brand": 7}, {"at": "today"}):
                assert next(iter(wrong)) in reader.error_of(asked(QUESTION) | wrong)


def changed_by(facts: Sequence[Fact]) -> dict[str, Part]:
    """The parts that the facts fold to, by key."""
    return fold_batch([(entry, read(entry.value)) for entry in map(recorded, facts)], {})
