"""The one way in: what is recorded once, what is refused, what a correction frees, and what is kept before what."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.adapters.memory_people import MemoryPeople
from ledger.errors import KeyConflictError, RefusedError, UnavailableError, UnknownEventError
from ledger.past import PastAway
from ledger.people import Identity, Words
from ledger.record import Receipt
from ledger.requests import Amend, Erase, Grant, OpenFollowUp, Origin, Reassign, Unlink
from schemas.encoding import decode
from schemas.errors import InputError, PreferenceLedgerError
from schemas.events import (
    OPERATOR_INBOX,
    OPERATOR_POLICY,
    OPERATOR_SENDERS,
    PreferenceGranted,
    PreferenceRevoked,
    StatementCorrected,
)
from schemas.subject import Subject
from schemas.times import DAY
from tests.ledger.door import (
    ACCOUNT,
    AGENT,
    IMPORT,
    NUMBER,
    PERSON,
    POLICY,
    SISTER,
    Door,
    correct,
    grant,
    link,
    operate,
    revoke,
)


@pytest.fixture
def door() -> Door:
    """A ledger with a policy and a procedure."""
    return Door()


# --- a grant is refused for every doubt, and nothing is stored then


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"purpose": "sweepstakes"}, "'sweepstakes' is not in the policy door@1, which has marketing, "),
        ({"channel": "pigeon"}, "the channel 'pigeon'"),
        ({"brand": "Acme"}, "the brand 'Acme'"),
        ({"purpose": "marketing.*"}, r"'marketing\.\*'"),
        ({"occurred_at": 9_000_000_000_000}, "is in the future"),
        ({"occurred_at": 10**18}, "cannot be read"),
        ({"occurred_at": -1}, "cannot be read"),
        ({"time_unclear": True}, "cannot be read"),
        ({"valid_until": 1_000}, "would have run out at 1970-01-01T00:00:01.000Z"),
        ({"valid_until": 10**18}, "has no end to read"),
        ({"origin": replace(AGENT, procedure=None)}, "names its procedure"),
        ({"origin": replace(AGENT, procedure="opt-out@1")}, "opt-out@1 was withdrawn"),
        ({"origin": replace(AGENT, procedure="opt-out@7")}, "was ever published"),
        ({"origin": replace(PERSON, procedure="not a label")}, "'not a label'"),
        ({"origin": replace(PERSON, source="by word of mouth")}, "is not a source code"),
        ({"origin": replace(PERSON, jurisdiction="Canada")}, "is not a jurisdiction"),
        ({"origin": replace(PERSON, language="français"), "evidence": "oui"}, "is not a language tag"),
        ({"origin": replace(PERSON, correlation_id="12")}, "is not a correlation id"),
        ({"origin": Origin(actor="somebody")}, "is no actor"),
        ({"origin": Origin(actor="person:")}, "is no actor"),
        ({"origin": Origin(actor="person:\ud800")}, "is no actor"),
        ({"basis": "hearsay"}, "basis"),
    ],
)
def test_a_grant_with_a_doubt_is_refused_and_nothing_is_stored(door: Door, said: dict[str, Any], words: str) -> None:
    before = door.stored()
    with pytest.raises(InputError, match=words):
        door.record(grant(**said))
    assert door.stored() == before
    assert door.people.identity(door.references.of_subject(NUMBER)) is None


def test_a_grant_without_a_doubt_is_recorded_as_it_was_given(door: Door) -> None:
    origin = replace(AGENT, jurisdiction="ca", language="fr-CA", correlation_id="0199a0a8-3c00-7000-8000-000000000001")
    said = grant(occurred_at=door.now - DAY, valid_until=door.now + DAY, origin=origin, evidence="Oui, volontiers.")
    receipt = door.record(said)
    event = door.event(receipt.event_id)
    assert isinstance(event, PreferenceGranted)
    assert (event.scope.brand, event.scope.channel, event.scope.purpose) == ("acme", "*", "marketing")
    assert (event.occurred_at, event.valid_until, event.basis) == (said.occurred_at, said.valid_until, "express")
    assert (event.received_at, receipt.recorded_at) == (door.now, door.now)
    assert event.capture.model_dump() == {"source": "console", "procedure": "opt-out@2"}
    assert (event.jurisdiction, event.correlation_id) == ("CA", origin.correlation_id)
    assert event.actor == f"agent:{door.references.of('agent', 'amelie')}"
    assert receipt[4:] == (False, (), (), ())
    assert door.ask().reason == "granted"


def test_what_names_a_person_stands_beside_the_ledger_and_not_in_it(door: Door) -> None:
    receipt = door.record(
        grant(origin=AGENT, evidence="Appelez-moi au +1 416 555 0123.", idempotency_key="+14165550123")
    )
    ref = door.references.of_subject(NUMBER)
    stored = b"".join(recorded.value for recorded in door.stored())
    assert not any(word in stored for word in (b"5550123", b"amelie", b"Appelez"))
    assert door.people.identity(ref) == Identity(ref, *NUMBER)
    agent = door.references.of("agent", "amelie")
    assert door.people.identity(agent) == Identity(agent, "agent", "amelie")
    words = door.people.evidence(ref, receipt.event_id)
    assert words is not None
    assert words.text == "Appelez-moi au +1 416 555 0123."


def test_one_refusal_does_not_take_the_others_with_it(door: Door) -> None:
    answers = door.recorder.record_all([grant(), grant(purpose="nonsense"), revoke(SISTER)])
    assert [type(answer) for answer in answers] == [Receipt, RefusedError, Receipt]
    assert len(door.said_of(NUMBER)) == len(door.said_of(SISTER)) == 1


# --- what else is refused


@pytest.mark.parametrize(
    "request_",
    [
        link(ACCOUNT, ACCOUNT),
        link(NUMBER, SISTER),
        Unlink(subject=ACCOUNT, account=NUMBER),
        Reassign(subject=ACCOUNT),
        OpenFollowUp(subject=NUMBER, reason="please look at this", holds=True),
        operate("SenderRegistered", OPERATOR_SENDERS, sender="", brand="acme", takes_replies=True),
        operate("SenderRegistered", OPERATOR_SENDERS, sender="12345"),
        operate("PolicyPublished", OPERATOR_POLICY, policy=POLICY | {"brand": "none"}),
        Reassign(subject=NUMBER, time_unclear=True),
    ],
    ids=lambda request: type(request).__name__,
)
def test_what_makes_no_event_is_refused(door: Door, request_: Grant) -> None:
    before = door.stored()
    with pytest.raises(RefusedError):
        door.record(request_)
    assert door.stored() == before


# --- idempotency


def test_a_retry_is_answered_with_the_first_event(door: Door) -> None:
    first = door.record(grant(idempotency_key="K", evidence="yes", occurred_at=door.now))
    again = door.record(grant(idempotency_key="K", evidence="yes please", occurred_at=door.now - 5))
    assert again == first._replace(duplicate=True)
    assert len(door.said_of(NUMBER)) == 1


def test_a_request_without_a_key_is_always_a_new_one_and_says_under_which_key(door: Door) -> None:
    first, second = door.record(revoke()), door.record(revoke())
    assert first.event_id != second.event_id
    assert door.record(revoke(idempotency_key=first.idempotency_key)).event_id == first.event_id


def test_a_key_is_a_subjects_own(door: Door) -> None:
    door.record(grant(idempotency_key="K"))
    assert not door.record(grant(SISTER, idempotency_key="K", purpose="service")).duplicate


def test_two_of_the_same_in_one_call_are_one(door: Door) -> None:
    first, second = door.recorder.record_all([revoke(idempotency_key="K"), revoke(idempotency_key="K")])
    assert isinstance(first, Receipt)
    assert second == first._replace(duplicate=True)


@pytest.mark.parametrize("said", [{"purpose": "service"}, {"valid_until": 2_000_000_000_000}, {"basis": "implied"}])
def test_a_grant_under_a_key_that_was_used_for_something_else_is_refused(door: Door, said: dict[str, Any]) -> None:
    first = door.record(grant(idempotency_key="K"))
    with pytest.raises(KeyConflictError, match=f"'K' was used before .*{first.event_id}, PreferenceGranted"):
        door.record(grant(idempotency_key="K", **said))
    assert len(door.said_of(NUMBER)) == 1


def test_a_revocation_does_not_vanish_behind_the_key_of_a_grant(door: Door) -> None:
    door.record(grant(idempotency_key="K"))
    receipt = door.record(revoke(idempotency_key="K", evidence="STOP"))
    assert not receipt.duplicate
    assert receipt.flags == ("key_conflict",)
    assert receipt.idempotency_key != "K"
    assert door.follow_ups(receipt) == ["key_conflict"]
    assert door.ask().reason == "revoked_by_number"
    assert door.people.evidence(door.references.of_subject(NUMBER), receipt.event_id) is not None


def test_a_retry_of_a_revocation_under_a_key_of_its_own_finds_it_again(door: Door) -> None:
    door.record(grant(idempotency_key="K"))
    first = door.record(revoke(idempotency_key="K"))
    stored = len(door.stored())
    assert door.record(revoke(idempotency_key="K")) == first._replace(duplicate=True)
    assert len(door.stored()) == stored
    other = door.record(revoke(idempotency_key="K", purpose="service"))
    assert other.event_id != first.event_id
    assert not other.duplicate


def test_in_one_call_a_conflict_takes_no_other_request_with_it(door: Door) -> None:
    door.record(grant(idempotency_key="K"))
    asked = [revoke(idempotency_key="K"), grant(idempotency_key="K", purpose="service"), revoke(SISTER)]
    first, second, third = door.recorder.record_all(asked)
    assert isinstance(first, Receipt)
    assert isinstance(second, KeyConflictError)
    assert isinstance(third, Receipt)
    assert [first.flags, third.flags] == [("key_conflict",), ()]


def test_requests_of_one_kind_are_recorded_alike_one_by_one_and_together(door: Door) -> None:
    """What many have in common is worked out once; that must not show."""
    subjects = [Subject("number", f"+1416555{number:04d}") for number in range(5)]
    requests = [
        make(subject, origin=IMPORT, idempotency_key=f"{make.__name__} {subject.id}", occurred_at=door.now - place)
        for place, subject in enumerate(subjects)
        for make in (grant, revoke)
    ]
    together, alone = Door(now=door.now), Door(now=door.now)
    together.recorder.record_all(requests)
    for request in requests:
        alone.recorder.record(request)
    apart = {"event_id": "", "received_at": 0}
    events = [[decode(it.value).model_copy(update=apart) for it in one.stored()[4:]] for one in (together, alone)]
    assert events[0] == events[1]
    assert len(events[0]) == 10


# --- corrections


def test_a_corrected_event_frees_its_key(door: Door) -> None:
    first = door.record(grant(idempotency_key="K"))
    door.record(correct(first.event_id))
    second = door.record(grant(idempotency_key="K"))
    assert not second.duplicate
    assert door.ask().evidence == (second.event_id,)


def test_a_correction_of_the_correction_takes_the_key_again(door: Door) -> None:
    first = door.record(grant(idempotency_key="K"))
    correction = door.record(correct(first.event_id))
    door.record(correct(correction.event_id))
    assert door.record(grant(idempotency_key="K")).event_id == first.event_id


def test_correcting_a_revocation_needs_the_role_of_a_corrector(door: Door) -> None:
    no = door.record(revoke(purpose="service"))
    with pytest.raises(RefusedError, match="needs the role corrector"):
        door.record(correct(no.event_id, role="agent"))
    assert door.ask(purpose="service").reason == "revoked_by_number"
    door.record(correct(no.event_id, role="corrector"))
    assert door.ask(purpose="service").reason == "permitted_by_policy"


def test_taking_out_a_revocation_again_by_a_chain_of_corrections_needs_the_role_too(door: Door) -> None:
    no = door.record(revoke(purpose="service"))
    first = door.record(correct(no.event_id, role="corrector"))
    second = door.record(correct(first.event_id))
    assert door.ask(purpose="service").reason == "revoked_by_number"
    with pytest.raises(RefusedError, match="needs the role corrector"):
        door.record(correct(second.event_id))
    assert door.ask(purpose="service").reason == "revoked_by_number"


def test_a_correction_carries_subject_and_kind_of_what_it_corrects(door: Door) -> None:
    joined = door.record(link())
    receipt = door.record(correct(joined.event_id, details={"reason": "wrong-customer"}))
    event, named = door.event(receipt.event_id), door.event(joined.event_id)
    assert isinstance(event, StatementCorrected)
    assert (event.subject, event.kind, event.corrects) == (named.subject, named.kind, named.event_id)


@pytest.mark.parametrize("type_", ["StatementCorrected", "FollowUpResolved"])
@pytest.mark.parametrize("named", ["0199a0a8-3c00-7000-8000-000000000001", "nonsense", "x" * 5_000, "\ud800"])
def test_what_is_about_an_event_that_does_not_exist_is_refused(door: Door, type_: str, named: str) -> None:
    with pytest.raises(UnknownEventError, match="is in the ledger"):
        door.record(Amend(type=type_, event_id=named))


def test_only_statements_links_and_corrections_can_be_corrected_and_only_follow_ups_resolved(door: Door) -> None:
    opened = door.record(OpenFollowUp(subject=NUMBER, reason="unclear", holds=True))
    erased = door.record(Erase(subject=NUMBER))
    for event_id in (opened.event_id, erased.event_id):
        with pytest.raises(RefusedError, match="cannot be corrected"):
            door.record(correct(event_id, role="corrector"))
    with pytest.raises(RefusedError, match="is no follow-up"):
        door.record(Amend(type="FollowUpResolved", event_id=erased.event_id))
    assigned = Amend(type="FollowUpAssigned", event_id=opened.event_id, details={"assignee": "bruno"})
    assert door.event(door.record(assigned).event_id).model_dump()["assignee"] == door.references.of("agent", "bruno")
    door.record(Amend(type="FollowUpResolved", event_id=opened.event_id))
    assert door.ask(purpose="service").reason == "permitted_by_policy"


def test_a_follow_up_holds_until_it_is_resolved(door: Door) -> None:
    opened = door.record(OpenFollowUp(subject=NUMBER, reason="unclear", holds=True, due_at=door.now + DAY))
    assert door.ask(purpose="service").reason == "held_for_review"
    assert door.event(opened.event_id).subject == door.references.of_subject(NUMBER)
    inbox = operate("FollowUpOpened", OPERATOR_INBOX, reason="subject_not_understood", holds=False)
    assert door.event(door.record(inbox).event_id).subject == OPERATOR_INBOX


# --- identities and evidence come first


class FullPeople(MemoryPeople):
    """A store with no room: it keeps nothing, and says so."""

    def keep(self, identities: Sequence[Identity], evidence: Sequence[Words] = ()) -> None:
        """Refuses."""
        raise UnavailableError("there is no room for identities; make room and repeat")


@pytest.mark.parametrize("make", [grant, revoke])
def test_what_cannot_be_kept_beside_the_ledger_does_not_get_into_it(make: type[Grant]) -> None:
    door = Door(people=FullPeople())
    before = door.stored()
    with pytest.raises(UnavailableError):
        door.record(make())  # type: ignore[call-arg]
    assert door.stored() == before


def test_after_an_erasure_an_opt_out_is_recorded_and_writes_no_identity_again(door: Door) -> None:
    ref = door.references.of_subject(NUMBER)
    door.record(revoke(evidence="STOP"))
    door.record(Erase(subject=NUMBER))
    door.people.erase(ref)
    again = door.record(revoke(evidence="STOP, I said"))
    assert door.people.identity(ref) is None
    assert door.people.evidence(ref, again.event_id) is None
    assert door.ask().reason == "revoked_by_number"


@pytest.mark.parametrize(("origin", "is_kept"), [(PERSON, True), (AGENT, True), (IMPORT, False)])
def test_after_an_erasure_only_a_grant_by_the_person_lets_the_identity_be_kept(
    door: Door, origin: Origin, is_kept: bool
) -> None:
    ref = door.references.of_subject(NUMBER)
    door.record(revoke())
    door.record(Erase(subject=NUMBER))
    door.people.erase(ref)
    door.record(grant(origin=origin))
    assert (door.people.identity(ref) is not None) == is_kept
    assert door.ask().reason == "granted"


def test_an_erasure_writes_no_identity_of_whom_it_erases(door: Door) -> None:
    door.record(Erase(subject=NUMBER))
    assert door.people.identity(door.references.of_subject(NUMBER)) is None


# --- the past is away


def test_a_grant_whose_past_is_not_to_be_had_is_not_recorded(door: Door) -> None:
    away = Door(past=PastAway(UnavailableError("the copy is not fresh; repeat")))
    before = away.stored()
    with pytest.raises(UnavailableError, match="not fresh"):
        away.record(grant())
    assert away.stored() == before


def test_every_error_of_the_door_is_of_the_one_tree(door: Door) -> None:
    answers = door.recorder.record_all([grant(purpose="nonsense"), correct("nonsense"), link(NUMBER, SISTER)])
    assert all(isinstance(answer, PreferenceLedgerError) for answer in answers)
    assert not any(isinstance(event, PreferenceRevoked) for event in door.said_of(NUMBER))
