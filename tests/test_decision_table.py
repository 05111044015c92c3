"""Every row of `docs/decision-table.md`, played through the folds and the resolver, and through the reference model.

The page is written in a small language, and what is not of it is an error: a row that is not understood proves nothing.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from ledger.log import Position
from projections.question import Coverage, Question
from projections.resolve import resolve
from projections.view import Histories
from schemas.decision import Reason
from schemas.events import OPERATOR_POLICY, OPERATOR_SENDERS, OPERATOR_TRAFFIC, Event
from schemas.policy import Policy
from schemas.scope import Scope
from schemas.times import DAY
from tests.histories import make_event
from tests.projections.folding import asked, view_of
from tests.reference_model import Fact, Message, answer

PAGE = Path(__file__).parents[1] / "docs" / "decision-table.md"
HEADER = ["#", "What was said, in the order in which it was recorded", "Message", "Answer", "Why"]
CONTACTS = {
    "the number": ("number", "a" * 32),
    "the second number": ("number", "b" * 32),
    "the address": ("email", "e" * 32),
}
Purposes = dict[str, dict[str, object]]
PURPOSES: Purposes = {
    "marketing": {"regime": "opt_in"},
    **{"marketing.offers": {}, "marketing.news": {}},
    "service": {"regime": "opt_out"},
    **{"service.notices": {}, "service.codes": {"never_needs_consent": True}},
}
POLICY: dict[str, object] = {
    **{"name": "page", "version": "1", "brand": "acme", "brands": ("acme", "other")},
    "channels": ("sms", "email", "voice"),
}


class UnreadableCell(Exception):
    """A cell of the page is not of its language."""


class Row(NamedTuple):
    """A worked case: the log that its story makes, what is asked of it, with what knowledge, and what stands there."""

    number: str
    facts: list[Fact]
    message: Message
    known: dict[int, int]
    reason: str


# --- the language: a story is entries, an entry has times and a clause


WHO = r"(?P<who>the number|the second number|the address|account [A-Z])"
PATH = r"[a-z]+(?:\.[a-z]+)*"
SCOPE = rf"(?P<purpose>everything|{PATH})(?: by (?P<channel>[a-z]+))?(?: of (?P<brand>[a-z]+))?"
ENTRY = r"the (?P<entry>\d+)(?:st|nd|rd|th) entry"
UNTIL = r"(?: until day (?P<until>\d+))?"
BASIS = r"(?: on an (?P<basis>implied) basis)?"
WHEN = re.compile(r"day (?P<said>\d+)(?:, entered on day (?P<entered>\d+))?: (?P<clause>.+)")
MESSAGE = re.compile(
    rf"(?P<purpose>{PATH}) by (?P<channel>sms|email|voice) on day (?P<day>\d+)(?:, of (?P<brand>[a-z]+))?"
    r"(?:, in (?P<place>[A-Z]{2})|, (?P<anywhere>anywhere))?(?:, to (?P<to>the second number|the address))?"
    r"(?:, from (?P<sender>\d+))?(?:, as known on day (?P<known>\d+))?"
)
ANSWER = re.compile(r"(?P<allowed>allowed|denied): (?P<reason>[a-z_]+)")


def _scope(said: dict[str, str]) -> Scope:
    purpose = "*" if said["purpose"] == "everything" else said["purpose"]
    return Scope(purpose=purpose, channel=said["channel"] or "*", brand=said["brand"] or "*")


class Story:
    """The log that a story makes. Accounts are kept in a partition of their own."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.entries: list[Event] = []
        self.policy: dict[str, object] = POLICY
        self.purposes = PURPOSES
        self.at = self.entered = 0

    def tell(self, story: str) -> None:
        """Appends the entries of a story, after the policy under which it plays."""
        if story == "no policy":
            return
        steps = [] if story == "nothing" else story.split("; ")
        if steps and steps[0].startswith("policy: "):
            self.change_policy(steps.pop(0).removeprefix("policy: "))
        self._write("PolicyPublished", ("operator", OPERATOR_POLICY), policy=self._policy(0))
        for step in steps:
            self.entries.append(self._step(step))

    def _step(self, step: str) -> Event:
        when = WHEN.fullmatch(step)
        if when is None:
            raise UnreadableCell(f"no entry: {step!r}")
        clause, _, key_of = when["clause"].partition(", under the key of ")
        self.at, entered = int(when["said"]) * DAY, int(when["entered"] or when["said"]) * DAY
        if entered < self.entered:
            raise UnreadableCell(f"{step!r} stands after what was recorded later")
        self.entered = entered
        key = dict[str, object]()
        if key_of:
            key["idempotency_key"] = self._named(_match(ENTRY, key_of)).idempotency_key
        for pattern, write in CLAUSES.items():
            if said := re.fullmatch(pattern, clause):
                return write(self, said.groupdict(), key)
        raise UnreadableCell(f"no clause: {clause!r}")

    def _named(self, said: dict[str, str]) -> Event:
        try:
            return self.entries[int(said["entry"]) - 1]
        except IndexError:
            raise UnreadableCell(f"there is no entry {said['entry']} yet") from None

    def _write(self, kind_of_event: str, subject: tuple[str, str], **said: object) -> Event:
        number = len(self.facts) + 1
        envelope = {"kind": subject[0], "subject": subject[1], "event_id": _event_id(number), "occurred_at": self.at}
        return self._append(make_event(kind_of_event, **({"idempotency_key": f"{number:032x}"} | envelope | said)))

    def _append(self, event: Event) -> Event:
        partition = int(event.kind == "account")
        offset = sum(fact.position.partition == partition for fact in self.facts)
        self.facts.append(Fact(Position(partition, offset), self.entered, event))
        return event

    # --- what clauses write

    def revoke(self, said: dict[str, str], key: dict[str, object]) -> Event:
        until = int(said["until"]) * DAY if said["until"] else None
        return self._write("PreferenceRevoked", _who(said), scope=_scope(said), valid_until=until, **key)

    def grant(self, said: dict[str, str], key: dict[str, object]) -> Event:
        until, basis = int(said["until"]) * DAY if said["until"] else None, said["basis"] or "express"
        return self._write("PreferenceGranted", _who(said), scope=_scope(said), valid_until=until, basis=basis, **key)

    def link(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        return self._write("ContactLinked", _who(said), account=_account(said["account"])[1])

    def unlink(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        account, reason = _account(said["account"])[1], said["reason"] or "closed"
        return self._write("ContactUnlinked", _who(said), account=account, reason=reason)

    def reassign(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        return self._write("NumberReassigned", _who(said))

    def erase(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        return self._write("SubjectErased", _who(said))

    def correct(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        named = self._named(said)
        return self._write("StatementCorrected", (named.kind, named.subject), corrects=named.event_id)

    def resolve(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        named = self._named(said)
        return self._write("FollowUpResolved", (named.kind, named.subject), follow_up=named.event_id)

    def send_again(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        again = {"event_id": _event_id(len(self.facts) + 1), "occurred_at": self.at}
        return self._append(self._named(said).model_copy(update=again))

    def deliver_twice(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        return self._append(self._named(said))

    def hold(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        return self._write("FollowUpOpened", _who(said), reason="unclear", holds=True)

    def follow_up(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        return self._write("FollowUpOpened", _who(said), reason="unclear", holds=False)

    def switch(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        scope = Scope(purpose="*" if said["traffic"] == "all traffic" else said["traffic"])
        return self._write(f"Traffic{said['what'].title()}", ("operator", OPERATOR_TRAFFIC), scope=scope)

    def sender(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        about: dict[str, object] = {"sender": said["sender"]}
        if said["what"] == "registered":
            about |= {"brand": "acme", "takes_replies": not said["silent"]}
        return self._write(f"Sender{said['what'].title()}", ("operator", OPERATOR_SENDERS), **about)

    def publish(self, said: dict[str, str], _key: dict[str, object]) -> Event:
        self.change_policy(said["change"])
        return self._write("PolicyPublished", ("operator", OPERATOR_POLICY), policy=self._policy(self.at))

    def _policy(self, effective_from: int) -> Policy:
        return Policy.model_validate(self.policy | {"purposes": self.purposes, "effective_from": effective_from})

    def change_policy(self, change: str) -> None:
        """The policy with one change; what that does not say stays."""
        for pattern, changed in CHANGES.items():
            if said := re.fullmatch(pattern, change):
                changed(self, said.groupdict())
                return
        raise UnreadableCell(f"no policy: {change!r}")


Clause = Callable[[Story, dict[str, str], dict[str, object]], Event]
CLAUSES: dict[str, Clause] = {
    rf"{WHO} says no to {SCOPE}{UNTIL}": Story.revoke,
    rf"{WHO} says yes to {SCOPE}{BASIS}{UNTIL}": Story.grant,
    rf"{WHO} joins (?P<account>account [A-Z])": Story.link,
    rf"{WHO} leaves (?P<account>account [A-Z])(?: \((?P<reason>ported|transferred|closed)\))?": Story.unlink,
    rf"{WHO} is reassigned": Story.reassign,
    rf"{WHO} is erased": Story.erase,
    rf"{ENTRY} is corrected": Story.correct,
    rf"{ENTRY} is resolved": Story.resolve,
    rf"{ENTRY} is sent again": Story.send_again,
    rf"{ENTRY} is delivered twice": Story.deliver_twice,
    rf"a follow-up holds {WHO}": Story.hold,
    rf"a follow-up without a hold is opened for {WHO}": Story.follow_up,
    rf"(?P<traffic>all traffic|{PATH}) is (?P<what>halted|resumed)": Story.switch,
    r"the sender (?P<sender>\d+) is (?P<what>registered)(?P<silent>, taking no replies)?": Story.sender,
    r"the sender (?P<sender>\d+) is (?P<what>verified|suspended)": Story.sender,
    r"the policy says that (?P<change>.+)": Story.publish,
}


def _regime(story: Story, said: dict[str, str]) -> None:
    rule = {"regime": said["regime"].replace("-", "_")}
    rule |= {"jurisdiction": said["place"]} if said["place"] else {}
    rule |= {"channel": said["channel"]} if said["channel"] else {}
    story.purposes = story.purposes | {said["purpose"]: {"regime": [rule]}}


def _exempts(story: Story, said: dict[str, str]) -> None:
    purpose = story.purposes[said["purpose"]] | {"exempt_from_sender_check": True}
    story.purposes = story.purposes | {said["purpose"]: purpose}


def _ages(story: Story, said: dict[str, str]) -> None:
    story.policy = story.policy | {"max_age_days": {said["basis"]: int(said["days"])}}


def _switch(name: str, on: bool) -> Callable[[Story, dict[str, str]], None]:
    def switch(story: Story, _said: dict[str, str]) -> None:
        story.policy = story.policy | {name: on}

    return switch


CHANGES: dict[str, Callable[[Story, dict[str, str]], None]] = {
    r"a number lifts its account": _switch("number_lifts_account", True),
    r"an account's yes reaches later links": _switch("grants_reach_later_links", True),
    r"unknown senders do not pass": _switch("unknown_senders_pass", False),
    r"(?P<basis>implied) consent lasts (?P<days>\d+) days": _ages,
    rf"(?P<purpose>{PATH}) is exempt from the check of the sender": _exempts,
    rf"(?P<purpose>{PATH})(?: in (?P<place>[A-Z]{{2}}))?(?: by (?P<channel>[a-z]+))? is (?P<regime>opt-in|opt-out)": (
        _regime
    ),
}


def _match(pattern: str, text: str) -> dict[str, str]:
    found = re.fullmatch(pattern, text)
    if found is None:
        raise UnreadableCell(f"{text!r} is not of the language of the page")
    return found.groupdict()


def _who(said: dict[str, str]) -> tuple[str, str]:
    return CONTACTS.get(said["who"]) or _account(said["who"])


def _account(name: str) -> tuple[str, str]:
    return "account", f"{ord(name[-1]):032x}"


def _event_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


# --- the page


def row(cells: list[str]) -> Row:
    """A row of the page. Raises UnreadableCell."""
    number, told, message, expected, why = cells
    story = Story()
    story.tell(told)
    asks, answers = _match(MESSAGE.pattern, message), _match(ANSWER.pattern, expected)
    reason = answers["reason"]
    if reason not in get_args(Reason) or not why:
        raise UnreadableCell(f"row {number} has no reason that exists, or does not say why")
    if (answers["allowed"] == "allowed") != (reason in ("granted", "permitted_by_policy", "never_needs_consent")):
        raise UnreadableCell(f"row {number}: {expected!r} contradicts itself")
    return Row(number, story.facts, _message(asks), _known(story.facts, asks["known"]), reason)


def _message(asks: dict[str, str]) -> Message:
    place = None if asks["anywhere"] else asks["place"] or "CA"
    contact = CONTACTS[asks["to"] or "the number"][1]
    brand, at = asks["brand"] or "acme", int(asks["day"]) * DAY
    return Message(contact, asks["channel"], asks["purpose"], brand, place, asks["sender"], at)


def _known(facts: list[Fact], day: str | None) -> dict[int, int]:
    by = [fact for fact in facts if day is None or fact.recorded_at <= int(day) * DAY]
    return {partition: sum(fact.position.partition == partition for fact in by) for partition in (0, 1)}


@cache
def page() -> list[list[str]]:
    """The cells of every row of every table, in the order of the page."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    split = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return [cells for cells in split if cells != HEADER and set("".join(cells)) != {"-"}]


@pytest.mark.parametrize("cells", page(), ids=lambda cells: cells[0])
def test_a_row_of_the_page_is_what_the_product_and_the_reference_model_answer(cells: list[str]) -> None:
    case = row(cells)
    verdict = asked(view_of(case.facts, case.known), case.message)
    model = answer(case.facts, case.message, case.known)
    assert (verdict.reason, model.reason) == (case.reason, case.reason)
    assert (verdict.allowed, frozenset(verdict.evidence)) == (model.allowed, model.evidence)


@pytest.mark.parametrize("cells", page(), ids=lambda cells: cells[0])
def test_a_copy_that_is_too_old_knows_only_the_stop_switch_and_what_never_needs_consent(cells: list[str]) -> None:
    case = row(cells)
    knows = case.reason == "halted" or case.message.purpose == "service.codes"
    assert _asked_of_a_stale_copy(case) == (case.reason if knows else "stale")


def _asked_of_a_stale_copy(case: Row) -> str:
    histories = Histories(view_of(case.facts, case.known))
    told, contact = case.message, histories.contact(case.message.contact)
    policy = histories.reference.policy(told.at)
    coverage = Coverage(told.brand, told.channel, told.purpose)
    question = Question(policy, told.at, coverage, told.channel, told.purpose, told.sender, told.jurisdiction)
    return resolve(contact, histories.accounts_of(contact), histories.reference, question, stale=True).reason


def test_every_reason_but_stale_is_the_answer_of_a_row_and_the_page_lists_them_in_order() -> None:
    answers = {row(cells).reason for cells in page()}
    assert answers == set(get_args(Reason)) - {"stale"}
    text = PAGE.read_text("utf-8")
    listed = re.findall(r"^\d+\. `([a-z_]+)`(?:, or `([a-z_]+)`)?", text, re.MULTILINE)
    assert [name for pair in listed for name in pair if name] == [
        *("halted", "never_needs_consent", "stale", "revoked_by_number", "revoked_by_account", "held_for_review"),
        *("granted", "permitted_by_policy", "consent_expired", "no_consent", "sender_unreachable"),
    ]
    assert "`tests/consumers/test_gate_answers.py`" in text


def test_rows_are_numbered_in_order_and_every_rule_has_some() -> None:
    numbers = [tuple(map(int, cells[0].split("."))) for cells in page()]
    assert numbers == sorted(set(numbers))
    assert {rule for rule, _ in numbers} == set(range(10))
    assert all((rule, 1) in numbers for rule in range(10))
    assert all(case == 1 or (rule, case - 1) in numbers for rule, case in numbers)


def test_no_row_says_again_what_another_says() -> None:
    asked_of = [(cells[1], cells[2]) for cells in page()]
    assert len(set(asked_of)) == len(asked_of)


def test_every_sentence_of_the_language_is_used_on_the_page() -> None:
    text = "\n".join(cells[1] for cells in page())
    said = [*CLAUSES, *CHANGES]
    assert [pattern for pattern in said if not re.search(pattern, text)] == []


@pytest.mark.parametrize(
    ("place", "cell"),
    [
        (1, "day 1: the number says maybe to everything"),
        (1, "the number says no to everything"),
        (1, "day 1: the number says no to everything, day 2: the number says yes to marketing"),
        (1, "day 1: the number says no to everything;"),
        (1, "day 2: the number says no to everything; day 1: the number says yes to marketing"),
        (1, "day 1: the 1st entry is corrected"),
        (1, "policy: everything is fine; day 1: the number says no to everything"),
        (1, "day 1: the number says no to everything, under the key of the 1st entry"),
        (1, ""),
        (2, "marketing.offers by pigeon on day 3"),
        (2, "marketing.offers by sms on day 3, please"),
        (2, "marketing.offers by sms"),
        (3, "denied"),
        (3, "allowed: revoked_by_number"),
        (3, "denied: granted"),
        (3, "denied: because"),
        (4, ""),
    ],
)
def test_a_cell_that_is_not_of_the_language_is_an_error(place: int, cell: str) -> None:
    cells = ["1.1", "day 1: the number says no to everything", "marketing by sms on day 2", "denied: revoked_by_number"]
    cells.append("Why not.")
    assert row(cells)
    cells[place] = cell
    with pytest.raises(UnreadableCell):
        row(cells)
