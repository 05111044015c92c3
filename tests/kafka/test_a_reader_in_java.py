"""A reader in another language joins the compacted tables itself, and answers as we do.

The reader is the example of docs/readers/java. Nasty histories go into a ledger topic, states and watermarks into the
tables; ours is worked out from the events alone, so that the tables, their reading and the rules are all held to it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, get_args

import orjson
import pytest

from ledger.broker import Broker
from ledger.log import Position
from projections.adapters.memory_view import MemoryView
from projections.catch_up import fold_batch
from projections.fold import Part
from projections.reading import read
from projections.view import Histories
from schemas.decision import Reason
from schemas.distributed import Watermark
from schemas.events import OPERATOR_POLICY
from schemas.policy import Policy
from schemas.scope import Scope
from schemas.topics import Topics, partition_of
from stack.kafka import NoJavaError
from stack.processes import wait_until
from tests.histories import START, History, history, interesting_times, make_event, questions
from tests.kafka.java_reader import EXAMPLE, JavaReader, Told, ask_the_rules, asked, compile_reader
from tests.kafka.written_tables import Tables
from tests.projections.folding import asked as ours
from tests.projections.folding import recorded, view_of
from tests.reference_model import Fact, Message
from tests.test_decision_table import page, row

pytestmark = pytest.mark.kafka

PARTITIONS = 3
QUESTIONS = 2_600
"""Of each ledger."""
UNKNOWN = {"added_tomorrow": {"type": "PreferenceGranted", "parts": 7}}
NUMBER, ACCOUNT = "a" * 32, "b" * 32
QUESTION = Message(NUMBER, "sms", "service", "acme", None, None, START)


def said(place: int, kind_of_event: str, kind: str, subject: str, **fields: object) -> Fact:
    """The event at a place of the only partition."""
    envelope = {"event_id": f"00000000-0000-7000-8000-{place:012x}", "idempotency_key": f"{place:032x}"}
    event = make_event(kind_of_event, kind=kind, subject=subject, occurred_at=START, **envelope, **fields)
    return Fact(Position(0, place), START, event)


POLICY = Policy.model_validate(
    {
        **{"name": "test", "version": "1", "effective_from": 0, "brand": "acme", "brands": ["acme"]},
        **{"channels": ["sms"], "purposes": {"service": {"regime": "opt_out"}}},
    }
)
STORY = [
    said(0, "PolicyPublished", "operator", OPERATOR_POLICY, policy=POLICY),
    said(1, "PreferenceRevoked", "account", ACCOUNT, scope=Scope()),
    said(2, "ContactLinked", "number", NUMBER, account=ACCOUNT),
]
"""Silence is enough here; an account says no; a number joins it."""


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader, compiled."""
    try:
        return compile_reader(EXAMPLE, tmp_path_factory.mktemp("classes"))
    except NoJavaError as error:
        pytest.skip(str(error))


def one_ledger(rng: Random, operator_says: int) -> History:
    """Histories of many persons in one ledger, under one operator who says at least so many things.

    One of them is long, so that states go on in further parts.
    """
    operator = operator_of(history(rng, 30))
    while len(operator) < operator_says:
        operator = operator_of(history(rng, 30))
    drawn = [history(rng, events) for events in (*[24] * 11, 240)]
    persons = [fact for one in drawn for fact in one.facts if fact.event.kind != "operator"]
    ends = [0] * PARTITIONS
    facts = []
    for _, recorded_at, event in sorted(operator + persons, key=lambda fact: fact.recorded_at):
        partition = partition_of(event.subject, PARTITIONS)
        facts.append(Fact(Position(partition, ends[partition]), recorded_at, event))
        ends[partition] += 1
    contacts = [contact for one in drawn for contact in one.contacts]
    accounts = [account for one in drawn for account in one.accounts]
    return History(facts, contacts, accounts, interesting_times(facts), PARTITIONS)


def operator_of(drawn: History) -> list[Fact]:
    """What the operator says in a history."""
    return [fact for fact in drawn.facts if fact.event.kind == "operator"]


def ours_of(view: MemoryView, messages: Iterable[Message]) -> list[tuple[bool, str, frozenset[str]]]:
    """What our own resolver answers."""
    histories = Histories(view)
    verdicts = [ours(view, message, histories) for message in messages]
    return [(verdict.allowed, verdict.reason, frozenset(verdict.evidence)) for verdict in verdicts]


def theirs_of(answers: Iterable[Told]) -> list[tuple[bool, str, frozenset[str]]]:
    """The same of the answers that the reader gave."""
    return [(told.allowed, told.reason, told.evidence) for told in answers]


def test_it_agrees_with_us_on_ten_thousand_decisions(classes: Path, broker: Broker, tmp_path: Path) -> None:
    rng = Random(41)
    reasons: Counter[str] = Counter()
    further_parts = 0
    for number, operator_says in enumerate((1, 3, 8, 10)):
        ledger = one_ledger(rng, operator_says)
        its_own = Broker(broker.servers, Topics(f"{broker.topics.prefix}-{number}"))
        with Tables(its_own, PARTITIONS) as tables:
            tables.append(ledger.facts)
            tables.fold()
        messages = questions(rng, ledger, QUESTIONS)
        with JavaReader(classes, its_own, tmp_path) as reader:
            answers = reader.ask_all(messages)
        view = view_of(ledger.facts)
        expected = ours_of(view, messages)
        assert theirs_of(answers) == expected
        assert {tuple(answer.watermark.items()) for answer in answers} == {tuple(sorted(view.watermark().items()))}
        further_parts += sum("#" in key for key, _ in view.all_parts())
        reasons.update(reason for _, reason, _ in expected)
    assert reasons.total() > 10_000
    assert further_parts, "some state goes on in a second part"
    assert min(reasons[reason] for reason in get_args(Reason) if reason != "stale") > 50, reasons


def test_its_rules_give_the_answer_of_every_row_of_the_decision_table(classes: Path) -> None:
    rows = [row(cells) for cells in page()]
    cases = [{"states": states_of(view_of(it.facts, it.known)), "question": asked(it.message)} for it in rows]
    told = ask_the_rules(classes, cases)
    assert [(it.number, answer.reason) for it, answer in zip(rows, told, strict=True)] == [
        (it.number, it.reason) for it in rows
    ]
    expected = [ours_of(view_of(it.facts, it.known), [it.message])[0] for it in rows]
    assert theirs_of(told) == expected


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
    """A number joins an account that says no: whoever saw one of the two states without the other would allow it."""
    before, after = changed_by(STORY[:1]), changed_by(STORY)
    with Tables(broker, 1) as tables:
        tables.write(0, before, mark_of(1))
        with JavaReader(classes, broker, tmp_path) as reader:
            assert reader.ask(QUESTION)[1:] == ("permitted_by_policy", frozenset(), {0: 1})
            tables.write(0, after, mark_of(3), ("by-number", "reference"))
            reader.refresh()
            assert reader.ask(QUESTION)[1:] == ("permitted_by_policy", frozenset(), {0: 1})
            tables.write(0, after, mark_of(3), ("by-account",))
            reader.refresh()
            assert reader.ask(QUESTION)[1:] == ("revoked_by_account", frozenset({STORY[1].event.event_id}), {0: 3})


def test_by_number_alone_is_no_answer(classes: Path) -> None:
    view = view_of(STORY)
    case = {"states": states_of(view), "question": asked(QUESTION)}
    alone = {"states": case["states"] | {ACCOUNT: []}, "question": case["question"]}
    assert [told.reason for told in ask_the_rules(classes, [case, alone])] == [
        "revoked_by_account",
        "permitted_by_policy",
    ]


def test_it_reads_the_same_from_tables_that_were_compacted(classes: Path, broker: Broker, tmp_path: Path) -> None:
    rng = Random(44)
    ledger = one_ledger(rng, 3)
    messages = questions(rng, ledger, 300)
    with Tables(broker, PARTITIONS, compacted_at_once=True) as tables:
        tables.append(ledger.facts)
        tables.fold()
        wait_until(lambda: tables.kept() < tables.written, 60, "the broker compacts the tables", every=1)
    with JavaReader(classes, broker, tmp_path) as reader:
        assert theirs_of(reader.ask_all(messages)) == ours_of(view_of(ledger.facts), messages)


def test_what_it_cannot_answer_it_does_not_allow(classes: Path, broker: Broker, tmp_path: Path) -> None:
    with Tables(broker, 1) as tables:
        parts = changed_by(STORY)
        torn = {key: part._replace(parts=2) if key == NUMBER else part for key, part in parts.items()}
        tables.write(0, torn, mark_of(3))
        with JavaReader(classes, broker, tmp_path) as reader:
            error = reader.error_of(asked(QUESTION))
            assert error == f"part 1 of the state of {NUMBER} is missing"
            assert "contact" in reader.error_of({"channel": "sms"})


def changed_by(facts: Sequence[Fact]) -> dict[str, Part]:
    """The parts that the facts fold to, by key."""
    return fold_batch([(entry, read(entry.value)) for entry in map(recorded, facts)], {})


def mark_of(offset: int) -> Watermark:
    """Everything of the only partition before an offset is in."""
    return Watermark(partition=0, offset=offset, recorded_at=START)
