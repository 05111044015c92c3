"""Every row of `docs/decision-table.md`, asked of a gateway that read it from the topics of a ledger on Kafka.

Rows of one policy and one stop switch share a ledger: each has contacts, accounts and senders of its own. It is filled
as `move` fills one, so that its entries have the days of the page, in the order of those days. What a row knows only
later is left out: who asks `as known on day 8` asks a ledger that ends there.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from consumers.gateway import Gateway
from ledger.adapters.kafka_move import KafkaMove
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.broker import Broker
from ledger.log import Position, Recorded
from schemas.encoding import encode
from schemas.errors import ScopeError
from schemas.events import OPERATOR_LEDGER, OPERATOR_SENDERS, Event
from schemas.topics import partition_of
from stack.processes import wait_until
from tests.consumers.asking import REFERENCES
from tests.kafka.gateways import gateway
from tests.kafka.table_writer import TableWriter
from tests.kafka.workers import LONG, MARKS
from tests.reference_model import Fact
from tests.test_decision_table import CONTACTS, Row, page, row

pytestmark = MARKS
UNHEARD = {"6.3": "no policy is in force", "6.4": "the purpose 'surveys' is not in the policy"}
"""Rows whose message the policy does not know. The rules deny it; a gateway, as every gate, has no answer but an error,
and whoever gets no answer must not send."""
CONTACTS_AT, ACCOUNTS_AT = 0, 1
"""As the page has it, all accounts share one part of the ledger, and all contacts another."""
NUMBERS = [ref for kind, ref in CONTACTS.values() if kind == "number"]
IDS = ("event_id", "corrects", "follow_up")
Story = tuple[tuple[int, str], ...]


class Names:
    """Who a row is about, in a ledger that it shares with others."""

    def __init__(self, case: Row) -> None:
        self._case = case
        self._number = int(case.number.replace(".", ""), 10)
        self.contacts = {ref: self._found(kind, ref, CONTACTS_AT) for kind, ref in CONTACTS.values()}

    def _found(self, kind: str, ref: str, partition: int) -> str:
        """The first of this row's people whose reference falls into that part."""
        tried = (self._person(kind, ref, number) for number in count())
        return next(one for one in tried if partition_of(REFERENCES.of(kind, one), 2) == partition)

    def _person(self, kind: str, ref: str, tried: int) -> str:
        if kind != "number":
            return f"{self._number}-{ref}-{tried}@example.org"
        # A satellite's number where the page says "anywhere": of any other a gateway knows the country itself.
        own = f"{self._number:03d}{NUMBERS.index(ref)}{tried:03d}"
        return f"+1416{own}" if self._case.message.jurisdiction else f"+88213{own}"

    def subject(self, kind: str, ref: str) -> str:
        """The reference of a contact or an account of the page."""
        if kind == "operator":
            return ref
        return REFERENCES.of(kind, self.contacts[ref] if ref in self.contacts else self._found(kind, ref, ACCOUNTS_AT))

    def sender(self, sender: str) -> str:
        """The sender of the page."""
        return f"{sender}{self._number}"

    def event(self, event: Event) -> Event:
        """An event of the page about this row's own."""
        said = {name: f"{self._number:08x}{getattr(event, name)[8:]}" for name in IDS if getattr(event, name, None)}
        said["idempotency_key"] = f"{self._number:08x}{event.idempotency_key[8:]}"
        said["subject"] = self.subject(event.kind, event.subject)
        if account := getattr(event, "account", None):
            said["account"] = self.subject("account", account)
        if sender := getattr(event, "sender", None):
            said["sender"] = self.sender(sender)
        return event.model_copy(update=said)


class Played(NamedTuple):
    """Rows that share a ledger, and all of its entries but the first in the order in which they were recorded."""

    rows: list[Row]
    facts: list[Fact]


def known(case: Row) -> list[Fact]:
    """The entries of a row that were recorded when it is asked."""
    return [fact for fact in case.facts if fact.position.offset < case.known.get(fact.position.partition, 0)]


def shared(fact: Fact) -> bool:
    """Whether an entry is about what rows cannot have of their own: the policy, the stop switch."""
    return fact.event.kind == "operator" and fact.event.subject != OPERATOR_SENDERS


def played() -> dict[str, Played]:
    """The ledgers, by their first rows."""
    found: dict[Story, list[Row]] = defaultdict(list)
    for case in map(row, page()):
        of_all = [fact for fact in known(case) if shared(fact)]
        found[tuple((fact.recorded_at, encode(said_by_all(fact.event)).decode()) for fact in of_all)].append(case)
    return {cases[0].number: Played(cases, list(facts_of(cases))) for cases in found.values()}


def said_by_all(event: Event) -> Event:
    """Without what numbers the entries of a row."""
    return event.model_copy(update={"event_id": "", "idempotency_key": ""})


def facts_of(cases: list[Row]) -> Iterator[Fact]:
    """What a ledger holds: of the first row everything, of the others what is theirs."""
    facts = [
        fact._replace(event=names.event(fact.event))
        for case, names in ((case, Names(case)) for case in cases)
        for fact in known(case)
        if case is cases[0] or not shared(fact)
    ]
    yield from sorted(facts, key=lambda fact: fact.recorded_at)  # of equal ones the row's order stays


def fill(ledger: TableWriter, facts: list[Fact]) -> None:
    """Writes entries with the times at which the page says that they were recorded."""
    opened = ledger.event("LedgerOpened", "operator", OPERATOR_LEDGER, **ledger.opening)
    entries = [(0, opened), *((fact.recorded_at, fact.event) for fact in facts)]
    with closing(KafkaTopics(ledger.broker)) as topics, closing(KafkaMove(ledger.broker, topics.describe())) as target:
        target.begin()
        target.add([(Recorded(Position(0, 0), at, event.subject, encode(event)), ()) for at, event in entries])
        target.finish()


def answered(asked: Gateway, case: Row) -> tuple[bool, str]:
    """What a gateway answers to a row, or the error that it raises."""
    message, names = case.message, Names(case)
    try:
        decision = asked.decide(
            names.contacts[message.contact], channel=message.channel, purpose=message.purpose, brand=message.brand,
            sender=names.sender(message.sender) if message.sender else None, at=message.at,
            jurisdiction=message.jurisdiction,
        )  # fmt: skip
    except ScopeError as error:
        return False, str(error)
    return decision.allowed, decision.reason


LEDGERS = played()
ALLOWING = ("granted", "permitted_by_policy", "never_needs_consent")


@pytest.mark.parametrize("first", LEDGERS)
def test_a_gateway_answers_every_row_of_the_page(first: str, broker: Broker, tmp_path: Path) -> None:
    rows, facts = LEDGERS[first]
    with TableWriter(broker, policy=None) as ledger:
        fill(ledger, facts)
        with ledger.working(), gateway(broker, tmp_path) as asked:
            wait_until(lambda: asked.running.knows_switch and asked.state == "current", LONG, "it is current")
            found = {case.number: answered(asked, case) for case in rows}
    errors = {number: found.pop(number)[1] for number in UNHEARD if number in found}
    assert all(error.startswith(UNHEARD[number]) for number, error in errors.items()), errors
    assert found == {case.number: (case.reason in ALLOWING, case.reason) for case in rows if case.number not in UNHEARD}


def test_no_row_of_the_page_is_left_out() -> None:
    assert sorted(case.number for rows, _ in LEDGERS.values() for case in rows) == sorted(cells[0] for cells in page())
    assert {case.number for rows, _ in LEDGERS.values() for case in rows if case.number in UNHEARD} == set(UNHEARD)


def test_no_two_rows_are_about_the_same_people() -> None:
    people = [people_of(row(cells)) for cells in page()]
    assert len(set[str]().union(*people)) == sum(map(len, people))


def people_of(case: Row) -> set[str]:
    """The references of all contacts of a row, and of its accounts."""
    names, people = Names(case), {(kind, ref) for kind, ref in CONTACTS.values()}
    people |= {(fact.event.kind, fact.event.subject) for fact in case.facts if fact.event.kind != "operator"}
    return {names.subject(kind, ref) for kind, ref in people}
