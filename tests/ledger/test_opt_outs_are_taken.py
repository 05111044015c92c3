"""An opt-out is never refused: what is doubtful about it is taken in its widest reading, flagged, and followed up."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import UnavailableError
from ledger.past import PastAway
from ledger.record import Receipt
from ledger.requests import Origin, Revoke
from schemas.events import PreferenceRevoked
from schemas.scope import Scope
from schemas.subject import Subject
from schemas.times import DAY
from tests.ledger.door import ACCOUNT, ADDRESS, AGENT, IMPORT, NUMBER, PERSON, Door, grant, link, revoke

WITHDRAWN = replace(AGENT, procedure="opt-out@1")


@pytest.fixture
def door() -> Door:
    """A ledger with a policy and a procedure; the number said yes to everything."""
    door = Door()
    door.record(grant(brand="*", purpose="*"))
    return door


def _event(door: Door, receipt: Receipt) -> PreferenceRevoked:
    event = door.event(receipt.event_id)
    assert isinstance(event, PreferenceRevoked)
    return event


@pytest.mark.parametrize(
    ("said", "flag", "counts_as"),
    [
        ({"channel": "pigeon"}, "widened_channel", Scope()),
        ({"purpose": "spam"}, "widened_purpose", Scope()),
        ({"purpose": "Marketing Offers!"}, "widened_purpose", Scope()),
        ({"brand": "acme-mobile"}, "widened_brand", Scope()),
        ({"brand": ""}, "widened_brand", Scope()),
        ({"channel": "sms", "purpose": "spam"}, "widened_purpose", Scope(channel="sms")),
        ({"channel": "sms", "purpose": "marketing.unheard-of"}, "widened_purpose", Scope(channel="sms")),
    ],
)
def test_what_the_policy_does_not_know_is_widened_to_everything(
    door: Door, said: dict[str, Any], flag: str, counts_as: Scope
) -> None:
    receipt = door.record(revoke(**said))
    assert receipt.flags == (flag,)
    assert _event(door, receipt).scope == counts_as
    assert door.follow_ups(receipt) == [flag]
    assert door.ask().reason == "revoked_by_number"


def test_a_scope_that_the_policy_knows_stays_as_narrow_as_it_was_said(door: Door) -> None:
    receipt = door.record(revoke(brand="acme", channel="sms", purpose="marketing"))
    assert (receipt.flags, receipt.follow_ups) == ((), ())
    assert door.ask().reason == "revoked_by_number"
    assert door.ask(channel="email").reason == "granted"


@pytest.mark.parametrize(
    "said",
    [
        {"occurred_at": 9_000_000_000_000},
        {"occurred_at": 10**18},
        {"occurred_at": -1},
        {"time_unclear": True},
        {"time_unclear": True, "occurred_at": 1_000},
    ],
)
def test_a_time_that_cannot_be_is_taken_as_now(door: Door, said: dict[str, Any]) -> None:
    receipt = door.record(revoke(**said))
    assert _event(door, receipt).occurred_at == door.now
    assert receipt.flags == ("clamped_time",)
    assert door.follow_ups(receipt) == ["clamped_time"]
    assert door.ask().reason == "revoked_by_number"


def test_a_time_a_moment_ahead_is_a_clock_that_differs_and_no_doubt(door: Door) -> None:
    receipt = door.record(revoke(occurred_at=door.now + 4_000))
    assert _event(door, receipt).occurred_at == door.now
    assert receipt.flags == ()


@pytest.mark.parametrize("until", [1_000, 0, -1, 10**18])
def test_an_end_that_cannot_be_is_none(door: Door, until: int) -> None:
    receipt = door.record(revoke(valid_until=until))
    assert _event(door, receipt).valid_until is None
    assert receipt.flags == ("clamped_time",)
    door.pass_time(10_000 * DAY)
    assert door.ask().reason == "revoked_by_number"


def test_an_end_that_can_be_is_kept(door: Door) -> None:
    receipt = door.record(revoke(valid_until=door.now + DAY))
    assert _event(door, receipt).valid_until == door.now - 1_000 + DAY
    door.pass_time(DAY)
    assert door.ask().reason == "granted"


@pytest.mark.parametrize(
    ("origin", "flag"),
    [
        (WITHDRAWN, "procedure_withdrawn"),
        (replace(AGENT, procedure="opt-out@9"), "procedure_unknown"),
        (replace(AGENT, procedure="I just did it"), "procedure_unknown"),
        (replace(AGENT, procedure=None), "procedure_unknown"),
        (replace(PERSON, procedure="opt-out@1"), "procedure_withdrawn"),
    ],
)
def test_a_procedure_that_is_not_in_force_is_flagged(door: Door, origin: Origin, flag: str) -> None:
    receipt = door.record(revoke(origin=origin))
    assert receipt.flags == (flag,)
    assert door.follow_ups(receipt) == [flag]
    assert door.ask().reason == "revoked_by_number"


def test_a_withdrawn_procedure_was_in_force_before_it_was_withdrawn(door: Door) -> None:
    receipt = door.record(revoke(origin=WITHDRAWN, occurred_at=door.now - DAY - 20_000))
    assert receipt.flags == ("procedure_unknown",)  # before it was published
    first = [recorded.recorded_at for recorded in door.stored()][1]
    assert door.record(revoke(origin=WITHDRAWN, occurred_at=first)).flags == ()


@pytest.mark.parametrize(
    "origin",
    [
        replace(PERSON, source="he shouted it across the street"),
        replace(PERSON, source=""),
        replace(PERSON, actor="somebody"),
        replace(PERSON, actor=""),
        replace(PERSON, actor="agent:" + "x" * 500),
        replace(PERSON, actor="import:a name with spaces"),
        replace(PERSON, actor="person:\ud800"),
        replace(PERSON, language="the one they speak in Québec"),
        replace(PERSON, jurisdiction="Québec"),
        replace(PERSON, correlation_id="ticket 12"),
    ],
)
def test_what_is_malformed_beside_the_point_is_left_out(door: Door, origin: Origin) -> None:
    receipt = door.record(revoke(origin=origin, evidence="Arrêtez !"))
    event = _event(door, receipt)
    assert event.scope == Scope()
    assert event.evidence is not None
    assert door.ask().reason == "revoked_by_number"


@pytest.mark.parametrize(
    "text", ["STOP " * 100_000, "\ud800STOP\udfff", "\x00", "STOP\u202e", "🛑" * 1_000, "\u200f"], ids=range(6)
)
def test_no_words_are_too_long_or_too_strange(door: Door, text: str) -> None:
    receipt = door.record(revoke(evidence=text, idempotency_key=text))
    assert door.record(revoke(evidence=text, idempotency_key=text)).event_id == receipt.event_id
    words = door.people.evidence(door.references.of_subject(NUMBER), receipt.event_id)
    assert words is not None
    assert words.text == text.encode("utf-8", "replace").decode()
    assert door.ask().reason == "revoked_by_number"


def test_all_that_is_doubtful_about_one_opt_out_is_flagged_once_each(door: Door) -> None:
    said: dict[str, Any] = {
        "channel": "pigeon",
        "purpose": "spam",
        "brand": "?",
        "time_unclear": True,
        "valid_until": 3,
    }
    receipt = door.record(revoke(**said, origin=WITHDRAWN))
    expected = ["clamped_time", "procedure_withdrawn", "widened_brand", "widened_channel", "widened_purpose"]
    assert sorted(receipt.flags) == expected
    assert sorted(door.follow_ups(receipt)) == expected


def test_follow_ups_about_an_opt_out_hold_nothing_and_a_retry_opens_none_again(door: Door) -> None:
    first = door.record(revoke(channel="pigeon", idempotency_key="K"))
    stored = len(door.stored())
    second = door.record(revoke(channel="pigeon", idempotency_key="K"))
    assert second == first._replace(duplicate=True)
    assert len(door.stored()) == stored
    assert not any(door.event(event_id).model_dump()["holds"] for event_id in first.follow_ups)


def test_an_import_flags_its_rows_and_opens_one_follow_up_for_all_of_them_itself(door: Door) -> None:
    receipt = door.record(revoke(origin=IMPORT, channel="pigeon"))
    assert receipt.flags == ("widened_channel",)
    assert receipt.follow_ups == ()


@pytest.mark.parametrize("subject", [NUMBER, ADDRESS, ACCOUNT])
def test_an_opt_out_is_taken_when_its_past_is_not_to_be_had(subject: Subject) -> None:
    door = Door(past=PastAway(UnavailableError("the copy is not fresh; repeat")))
    receipt = door.record(revoke(subject, origin=AGENT, channel="sms", purpose="not in any policy"))
    assert set(receipt.flags) == {"widened_purpose", "past_unknown"}
    assert set(door.follow_ups(receipt)) == {"widened_purpose", "past_unknown"}
    assert receipt.also == ()
    [event, *_] = door.said_of(subject)
    assert isinstance(event, PreferenceRevoked)
    assert event.scope == Scope(channel="sms")


# --- whatever stands in its fields


TEXT = st.text() | st.text(st.characters(codec=None)) | st.sampled_from(["", "*", "acme", "sms", "marketing.offers"])
MAYBE = st.none() | TEXT
NUMBERS = st.none() | st.integers(-(2**70), 2**70)
ACTORS = TEXT | TEXT.map("agent:{}".format) | TEXT.map("import:{}".format) | st.just("person")
ORIGINS = st.builds(
    Origin,
    **{"actor": ACTORS, "source": TEXT, "procedure": MAYBE, "language": MAYBE},
    **{"jurisdiction": MAYBE, "correlation_id": MAYBE, "follow_up_each": st.booleans()},
)
REVOCATIONS = st.builds(
    Revoke,
    **{"subject": st.sampled_from([NUMBER, ADDRESS, ACCOUNT]), "origin": ORIGINS},
    **{"occurred_at": NUMBERS, "time_unclear": st.booleans(), "idempotency_key": MAYBE, "evidence": MAYBE},
    **{"brand": TEXT, "channel": TEXT, "purpose": TEXT},
    **{"valid_until": NUMBERS, "reach": st.none() | st.sampled_from(["contact", "account"]) | TEXT},
)


@settings(max_examples=250, deadline=None)
@given(REVOCATIONS, st.booleans())
def test_an_opt_out_with_anything_in_its_fields_is_recorded_and_denies(request: Revoke, away: bool) -> None:
    door = Door(past=PastAway(UnavailableError("away")) if away else None)
    door.record(revoke(SISTER_OF[request.subject], purpose="service"))  # the log is not empty
    receipt = door.record(request)
    event = _event(door, receipt)
    assert event.occurred_at <= door.now
    assert event.subject == door.references.of_subject(request.subject)
    ended = event.valid_until is not None and event.valid_until < door.now
    if request.subject.is_contact and not ended:
        brand, channel, purpose = (
            said if pattern == "*" else pattern
            for said, pattern in zip(
                ("acme", "sms", "marketing.offers"),
                (event.scope.brand, event.scope.channel, event.scope.purpose),
                strict=True,
            )
        )
        assert door.ask(request.subject, purpose, channel, brand).reason == "revoked_by_number"
    again = door.record(replace(request, idempotency_key=receipt.idempotency_key))
    assert not request.idempotency_key or again.event_id == receipt.event_id or request.valid_until is not None


@settings(max_examples=60, deadline=None)
@given(REVOCATIONS.map(lambda request: replace(request, subject=ACCOUNT)))
def test_an_opt_out_of_an_account_with_anything_in_its_fields_denies_all_its_contacts(request: Revoke) -> None:
    door = Door()
    door.record(link(NUMBER))
    receipt = door.record(request)
    event = _event(door, receipt)
    if event.valid_until is None and event.scope == Scope():
        assert door.ask(NUMBER, purpose="service").reason == "revoked_by_account"


SISTER_OF = {NUMBER: ADDRESS, ADDRESS: ACCOUNT, ACCOUNT: NUMBER}
