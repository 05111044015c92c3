"""What an event writes stays bounded however many came before, and nothing of a state is ever dropped: it is needed."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from ledger.log import Position
from projections.catch_up import fold_batch
from projections.fold import Part, to_bytes
from projections.reading import read
from projections.view import Histories
from schemas.events import EVENT_TYPES, OPERATOR_PROCEDURES, OPERATOR_TRAFFIC, Event
from schemas.scope import Scope
from schemas.states import PART_SIZE
from tests.histories import make_event
from tests.projections.folding import asked, recorded, view_of
from tests.reference_model import Fact, Message, answer
from tests.test_reference_model import ACCOUNT, NUMBER, Book

LARGEST_PART = 32_000
"""Bytes. 64 entries of a contact or an account, each some 400."""
START = 1_000_000
SCOPES = (Scope(), Scope(purpose="marketing"), Scope(brand="acme", channel="sms", purpose="marketing.offers"))


def written_one_by_one(facts: list[Fact]) -> Iterator[tuple[dict[str, Part], dict[str, list[Part]]]]:
    """What each event changes when it is folded alone, with all parts as they are then."""
    states: dict[str, list[Part]] = {}
    for fact in facts:
        entry = recorded(fact)
        changed = fold_batch([(entry, read(entry.value))], states)
        for part in changed.values():
            states.setdefault(part.subject, [])[part.part : part.part + 1] = [part]
        yield changed, states


def long_history(rng: Random, statements: int, moves: int) -> list[Fact]:
    """An account that said many things, and a contact that said and moved a lot; times as they come."""
    facts: list[Fact] = []

    def add(kind_of_event: str, subject: str, **said: object) -> None:
        number, kind = len(facts) + 1, "account" if subject == ACCOUNT else "number"
        at = START + number - rng.choice((0, 0, 0, 3, 500))
        envelope = {"kind": kind, "subject": subject, "event_id": f"00000000-0000-7000-8000-{number:012x}"}
        event = make_event(kind_of_event, **envelope, occurred_at=at, idempotency_key=f"{number:032x}", **said)
        facts.append(Fact(Position(0, len(facts)), START + number, event))

    def state(subject: str) -> None:
        scope = rng.choice(SCOPES)
        if rng.random() < 0.5:
            return add("PreferenceRevoked", subject, scope=scope)
        until = START + len(facts) + rng.randint(1, 5_000) if rng.random() < 0.3 else None
        return add("PreferenceGranted", subject, scope=scope, basis="express", valid_until=until)

    for place in range(max(statements, moves)):
        if place < statements:
            state(ACCOUNT)
        if place < moves:
            if place % 2 == 0:
                add(rng.choice(("ContactLinked", "ContactUnlinked")), NUMBER, account=ACCOUNT)
            else:
                state(NUMBER)
            if facts[-1].event.subject == NUMBER and rng.random() < 0.05:
                add("StatementCorrected", NUMBER, corrects=facts[-1].event.event_id)
    return facts


def questions(rng: Random, facts: list[Fact], count: int) -> list[Message]:
    """Messages to the number, at times within the history and after it."""
    purposes = ("marketing.offers", "marketing", "service")
    end = facts[-1].recorded_at
    return [
        Message(NUMBER, "sms", rng.choice(purposes), "acme", "CA", None, rng.randint(START, end + 5_000))
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def long() -> list[Fact]:
    """Five thousand statements of an account, a thousand links and statements of a contact."""
    return long_history(Random(1), statements=5_000, moves=1_000)


def test_what_an_event_writes_is_bounded_however_many_came_before(long: list[Fact]) -> None:
    largest = 0
    for changed, _ in written_one_by_one(long):
        assert len(changed) in (1, 2)
        largest = max(largest, *(len(to_bytes(part)) for part in changed.values()))
    assert largest < LARGEST_PART


def test_an_event_changes_the_last_part_and_the_first_only_when_a_part_is_begun(long: list[Fact]) -> None:
    for changed, states in written_one_by_one(long[:1_500]):
        parts = states[next(iter(changed.values())).subject]
        begun = len(parts) > 1 and len(parts[-1].entries) == 1
        numbers = sorted(part.part for part in changed.values())
        assert numbers == ([0, len(parts) - 1] if begun else [len(parts) - 1])


def test_nothing_is_dropped_and_all_parts_but_the_last_are_full(long: list[Fact]) -> None:
    view = view_of(long, batch=500)
    for subject in (ACCOUNT, NUMBER):
        parts = view.parts(subject)
        ids = [entry["event_id"] for part in parts for entry in part["entries"]]
        assert ids == [fact.event.event_id for fact in long if fact.event.subject == subject]
        assert [part["part"] for part in parts] == list(range(len(parts)))
        assert {len(part["entries"]) for part in parts[:-1]} == {PART_SIZE}
        assert parts[0]["parts"] == len(parts)
        assert all("parts" not in part for part in parts[1:])
    assert len(view.parts(ACCOUNT)) == -(-5_000 // PART_SIZE)


def test_after_five_thousand_statements_the_next_one_decides(long: list[Fact]) -> None:
    at = long[-1].recorded_at + 10
    ends = {
        "revoked_by_account": make_event("PreferenceRevoked", **_next(ACCOUNT, at), scope=Scope()),
        "granted": make_event("PreferenceGranted", **_next(ACCOUNT, at), scope=Scope(), basis="express"),
    }
    before = [
        make_event("PreferenceGranted", **_next(NUMBER, at), scope=Scope(), basis="express"),
        make_event("ContactLinked", **(_next(NUMBER, at) | {"idempotency_key": "f" * 32}), account=ACCOUNT),
    ]
    for reason, last in ends.items():
        more = [Fact(Position(0, len(long) + place), at, event) for place, event in enumerate([*before, last])]
        view = view_of([*long, *more], batch=500)
        assert asked(view, Message(NUMBER, "sms", "marketing.offers", "acme", "CA", None, at)).reason == reason


def _next(subject: str, at: int) -> dict[str, object]:
    kind, key = ("account", "a" * 32) if subject == ACCOUNT else ("number", "b" * 32)
    event_id = f"ffffffff-0000-7000-8000-{key[:12]}"
    return {"kind": kind, "subject": subject, "occurred_at": at, "idempotency_key": key, "event_id": event_id}


def test_states_of_many_parts_decide_as_the_reference_model_does() -> None:
    for seed in range(2):
        rng = Random(seed)
        facts = long_history(rng, statements=140, moves=70)
        facts = [Fact(Position(0, 0), START, _policy()), *(_shifted(fact) for fact in facts)]
        view = view_of(facts, batch=rng.choice((1, 50)))
        assert len(view.parts(ACCOUNT)) == 3
        histories = Histories(view)
        for message in questions(rng, facts, 10):
            verdict, expected = asked(view, message, histories), answer(facts, message)
            got = (verdict.allowed, verdict.reason, frozenset(verdict.evidence))
            assert got == (expected.allowed, expected.reason, expected.evidence)


def _shifted(fact: Fact) -> Fact:
    return fact._replace(position=Position(0, fact.position.offset + 1))


def _policy() -> Event:
    book = Book()
    book.policy(number_lifts_account=True)
    event = book.facts[0].event
    return event.model_copy(update={"event_id": "00000000-0000-7000-9000-000000000000"})


# --- why nothing may be dropped


def _overtaken_yes(book: Book) -> str:
    yes = book.grant(NUMBER, 1)
    no = book.revoke(NUMBER, 2)
    book.correct(no, 3)
    return yes


def _lifted_no(book: Book) -> str:
    no = book.revoke(NUMBER, 1)
    book.grant(NUMBER, 2, valid_until=5)
    return no


def _ended_link(book: Book) -> str:
    joined = book.link(1)
    book.grant(ACCOUNT, 2)
    left = book.unlink(3)
    book.correct(left, 4)
    return joined


def _forgotten_leaving(book: Book) -> str:
    book.revoke(ACCOUNT, 1)
    book.link(2)
    left = book.unlink(3)
    book.grant(ACCOUNT, 4)
    book.grant(NUMBER, 4)
    book.link(5)
    return left


def _old_reassignment(book: Book) -> str:
    reassigned = book.reassign(2)
    book.grant(NUMBER, 1, recorded=5)
    return reassigned


def _corrected_correction(book: Book) -> str:
    book.grant(NUMBER, 1)
    no = book.revoke(NUMBER, 2)
    wrong = book.correct(no, 3)
    again = book.correct(wrong, 4)
    book.correct(again, 5)
    return wrong


def _opened(book: Book) -> str:
    book.grant(NUMBER, 1)
    opened = book.add("FollowUpOpened", NUMBER, 2, reason="unclear", holds=True)
    book.add("FollowUpResolved", NUMBER, 20, follow_up=opened)
    return opened


def _resolved(book: Book) -> str:
    book.grant(NUMBER, 1)
    opened = book.add("FollowUpOpened", NUMBER, 2, reason="unclear", holds=True)
    return book.add("FollowUpResolved", NUMBER, 3, follow_up=opened)


def _old_policy(book: Book) -> str:
    old = book.policy(2, purposes={"marketing": {"regime": "opt_out"}})
    book.policy(20)
    return old


def _ended_halt(book: Book) -> str:
    halted = book.add("TrafficHalted", OPERATOR_TRAFFIC, 2, scope=Scope())
    book.add("TrafficResumed", OPERATOR_TRAFFIC, 20, scope=Scope())
    return halted


def _resumption(book: Book) -> str:
    book.grant(NUMBER, 1)
    book.add("TrafficHalted", OPERATOR_TRAFFIC, 2, scope=Scope())
    return book.add("TrafficResumed", OPERATOR_TRAFFIC, 3, scope=Scope())


def _first_registration(book: Book) -> str:
    book.grant(NUMBER, 1)
    registered = book.sender("Registered", 2, brand="acme", takes_replies=False)
    book.sender("Registered", 20, brand="acme", takes_replies=True)
    book.sender("Verified", 20)
    return registered


def _first_verification(book: Book) -> str:
    book.grant(NUMBER, 1)
    book.sender("Registered", 2, brand="acme", takes_replies=True)
    verified = book.sender("Verified", 3)
    book.sender("Verified", 20)
    return verified


def _ended_suspension(book: Book) -> str:
    book.grant(NUMBER, 1)
    suspended = book.sender("Suspended", 2)
    book.sender("Registered", 20, brand="acme", takes_replies=True)
    book.sender("Verified", 20)
    return suspended


OVERTAKEN: dict[str, Callable[[Book], str]] = {
    "PreferenceGranted": _overtaken_yes,
    "PreferenceRevoked": _lifted_no,
    "StatementCorrected": _corrected_correction,
    "ContactLinked": _ended_link,
    "ContactUnlinked": _forgotten_leaving,
    "NumberReassigned": _old_reassignment,
    "FollowUpOpened": _opened,
    "FollowUpResolved": _resolved,
    "PolicyPublished": _old_policy,
    "TrafficHalted": _ended_halt,
    "TrafficResumed": _resumption,
    "SenderRegistered": _first_registration,
    "SenderVerified": _first_verification,
    "SenderSuspended": _ended_suspension,
}
"""Stories in which an entry of each type has been overtaken by others, and an answer still needs it."""

NO_MESSAGE_DEPENDS_ON = {
    "SubjectErased": "sweeps and the next import: whose identity may not be kept",
    "FollowUpAssigned": "the list of follow-ups: who works on one",
    "LedgerOpened": "the start: which secret and how many partitions",
    "ProcedurePublished": "the door, for what is entered late: was it in force then?",
    "ProcedureWithdrawn": "the same",
    "ProcedureAcknowledged": "the audit: who has read which version",
    "GatewayRegistered": "receipts: which gateways must have applied an event",
    "GatewayRetired": "the same",
}


@pytest.mark.parametrize("kind_of_event", OVERTAKEN)
def test_an_entry_that_was_overtaken_is_still_needed(kind_of_event: str) -> None:
    book = Book()
    book.policy()
    needed = OVERTAKEN[kind_of_event](book)
    assert {fact.event.type for fact in book.facts if fact.event.event_id == needed} == {kind_of_event}
    without = [fact for fact in book.facts if fact.event.event_id != needed]
    asks = [Message(NUMBER, "sms", "marketing.offers", "acme", "CA", "12345", at) for at in range(12)]
    answers = [[asked(view_of(facts), ask)[:1] for ask in asks] for facts in (book.facts, without)]
    assert answers[0] != answers[1]
    assert answers[0] == [(answer(book.facts, ask).reason,) for ask in asks]


def test_a_withdrawn_procedure_is_still_needed_for_what_is_entered_late() -> None:
    book = Book()
    book.add("ProcedurePublished", OPERATOR_PROCEDURES, 1, procedure="opt-out@1")
    book.add("ProcedureWithdrawn", OPERATOR_PROCEDURES, 5, procedure="opt-out@1")
    reference = Histories(view_of(book.facts)).reference
    assert [reference.procedure("opt-out@1", at) for at in (0, 1, 4, 5)] == [
        "unknown",
        "current",
        "current",
        "withdrawn",
    ]


def test_every_event_type_is_either_needed_by_a_message_or_kept_for_another_question() -> None:
    assert set(OVERTAKEN) | set(NO_MESSAGE_DEPENDS_ON) == set(EVENT_TYPES)
    assert not set(OVERTAKEN) & set(NO_MESSAGE_DEPENDS_ON)
