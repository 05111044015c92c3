"""Whom a revocation reaches: who asks staff to stop speaks for the customer, who texts STOP for a handset."""

import pytest

from ledger.errors import UnavailableError
from ledger.log import Entry
from ledger.past import Past, PastAway
from ledger.record import Receipt
from ledger.requests import Origin, Revoke
from ledger.stamp import Draft
from projections.log_view import LogView
from projections.past import PastOfView
from schemas.encoding import encode
from schemas.events import OPERATOR_POLICY
from schemas.subject import Subject
from tests.ledger.door import (
    ACCOUNT,
    AGENT,
    IMPORT,
    NUMBER,
    OTHER_ACCOUNT,
    PERSON,
    POLICY,
    SISTER,
    Door,
    grant,
    link,
    operate,
    revoke,
)

SYSTEM = Origin(actor="system:gateway", source="gateway")
REGULATOR = Origin(actor="regulator:crtc", source="letter")


@pytest.fixture
def door() -> Door:
    """A number and its sister in one account, the number in another one too."""
    door = Door()
    for request in (link(NUMBER, ACCOUNT), link(SISTER, ACCOUNT), link(NUMBER, OTHER_ACCOUNT)):
        door.record(request)
    return door


def reached(door: Door, receipt: Receipt) -> list[str]:
    """The subjects of the events of a request, in the order in which they were appended."""
    return [door.event(event_id).subject for event_id in (*receipt.also, receipt.event_id)]


def refs(door: Door, *subjects: Subject) -> list[str]:
    return [door.references.of_subject(subject) for subject in subjects]


def test_a_revocation_by_an_agent_reaches_every_account_of_the_contact(door: Door) -> None:
    receipt = door.record(revoke(origin=AGENT, purpose="service"))
    accounts = sorted(refs(door, ACCOUNT, OTHER_ACCOUNT))
    assert reached(door, receipt) == [*accounts, *refs(door, NUMBER)]
    assert door.ask(SISTER, purpose="service").reason == "revoked_by_account"


def test_its_events_say_the_same_share_one_correlation_id_and_name_the_contacts_own(door: Door) -> None:
    receipt = door.record(revoke(origin=AGENT, purpose="spam", evidence="Plus rien, s'il vous plaît."))
    events = [door.event(event_id) for event_id in (*receipt.also, receipt.event_id)]
    assert len({event.correlation_id for event in events} - {None}) == 1
    assert [event.causation_id for event in events] == [receipt.event_id, receipt.event_id, None]
    assert len({event.idempotency_key for event in events}) == 3
    same = {"type", "scope", "flags", "occurred_at", "received_at", "actor", "capture"}
    assert len({event.model_dump_json(include=same) for event in events}) == 1
    assert [event.evidence is None for event in events] == [True, True, False]


def test_the_accounts_come_before_the_contact(door: Door) -> None:
    receipt = door.record(revoke(origin=AGENT))
    appended = [recorded.key for recorded in door.stored()][-3:]
    assert appended == reached(door, receipt)
    assert receipt.position.offset == len(door.stored()) - 1


def test_a_retry_finds_all_of_them_and_completes_what_a_crash_cut_short(door: Door) -> None:
    request = revoke(origin=AGENT, idempotency_key="K")
    [draft] = door.recorder.drafts([request])
    assert isinstance(draft, Draft)
    event = draft.events[0]
    door.log.append([Entry(event.subject, encode(event), event.event_id, event.idempotency_key, event.content)])
    receipt = door.record(request)
    assert receipt.also[0] == event.event_id
    assert not receipt.duplicate
    assert len(door.said_of(ACCOUNT)) == len(door.said_of(OTHER_ACCOUNT)) == 1
    assert door.record(request) == receipt._replace(duplicate=True)


@pytest.mark.parametrize("origin", [PERSON, SYSTEM, IMPORT, REGULATOR], ids=lambda origin: origin.actor)
def test_what_others_say_of_a_contact_reaches_the_contact_alone(door: Door, origin: Origin) -> None:
    receipt = door.record(revoke(origin=origin, purpose="service"))
    assert receipt.also == ()
    assert door.ask(NUMBER, purpose="service").reason == "revoked_by_number"
    assert door.ask(SISTER, purpose="service").reason == "permitted_by_policy"


def test_whom_it_reaches_can_be_said_both_ways(door: Door) -> None:
    assert door.record(revoke(origin=AGENT, reach="contact")).also == ()
    for origin in (PERSON, SYSTEM, IMPORT):
        assert len(door.record(revoke(origin=origin, reach="account")).also) == 2


def test_policy_may_turn_both_defaults_round(door: Door) -> None:
    reach = {"agent": "contact", "person": "account"}
    door.record(operate("PolicyPublished", OPERATOR_POLICY, policy=POLICY | {"version": "2", "reach": reach}))
    assert door.record(revoke(origin=AGENT)).also == ()
    assert len(door.record(revoke(origin=PERSON)).also) == 2


def test_what_is_said_of_an_account_reaches_the_account(door: Door) -> None:
    receipt = door.record(revoke(ACCOUNT, origin=AGENT, reach="account"))
    assert reached(door, receipt) == refs(door, ACCOUNT)


def test_a_grant_reaches_nobody_else(door: Door) -> None:
    assert door.record(grant(origin=AGENT)).also == ()


def test_a_late_entered_opt_out_reaches_the_accounts_of_then_and_those_of_now(door: Door) -> None:
    then = door.now
    later = Subject("account", "ACC-79")
    door.record(link(NUMBER, later))
    receipt = door.record(revoke(origin=AGENT, occurred_at=then))
    assert set(reached(door, receipt)) == set(refs(door, ACCOUNT, OTHER_ACCOUNT, later, NUMBER))


def test_flags_stand_on_every_event_and_follow_ups_are_opened_once(door: Door) -> None:
    receipt = door.record(revoke(origin=AGENT, purpose="spam"))
    assert all(door.event(event_id).flags == ("widened_purpose",) for event_id in (*receipt.also, receipt.event_id))
    assert door.follow_ups(receipt) == ["widened_purpose"]


def test_a_conflict_of_keys_at_an_account_does_not_lose_its_event(door: Door) -> None:
    receipt = door.record(revoke(origin=AGENT, idempotency_key="K", purpose="marketing"))
    again = door.record(revoke(origin=AGENT, idempotency_key="K", purpose="service"))
    assert set(again.also).isdisjoint(receipt.also)
    assert all("key_conflict" in door.event(event_id).flags for event_id in (*again.also, again.event_id))
    assert door.ask(SISTER, purpose="service").reason == "revoked_by_account"
    assert set(door.follow_ups(again)) == {"key_conflict"}


class PastWithoutLinks(PastOfView):
    """A past that knows the policy, but has lost sight of contacts."""

    def accounts_of(self, contact_ref: str, at: int) -> list[str]:
        """Is away."""
        raise UnavailableError("the copy of the contacts is not fresh; repeat")

    def at_once(self) -> PastOfView:
        """Itself: it stands still for these tests."""
        return self


def test_if_the_accounts_are_not_known_the_contacts_own_is_recorded_and_flagged() -> None:
    door = Door()
    known: list[Past] = [PastWithoutLinks(lambda: LogView(door.log)), PastAway(UnavailableError("away"))]
    for past in known:
        away = Door(past=past)
        door.log = away.log
        receipt = away.record(Revoke(subject=NUMBER, origin=AGENT))
        assert receipt.also == ()
        assert receipt.flags == ("past_unknown",)
        assert away.follow_ups(receipt) == ["past_unknown"]
