"""A gate answers what the resolver says, and says with it what the answer was made from."""

from random import Random

import pytest

from consumers.copy import ViewCopy, answer
from consumers.gate import Gate
from ledger.reference import References
from schemas.decision import RULES
from schemas.errors import ContactError, ScopeError
from schemas.subject import Subject
from tests.consumers.asking import MAIL, NOW, NUMBER, OTHER, POLICY, REFERENCES, Facts, view_with
from tests.histories import history, questions
from tests.projections.folding import asked, view_of

OFFERS = {"channel": "sms", "purpose": "marketing.offers", "at": NOW}


def gate_of(facts: Facts) -> Gate:
    return Gate(ViewCopy(facts.view()), REFERENCES)


def test_a_decision_has_the_keys_of_the_interface_in_their_order() -> None:
    facts = Facts()
    facts.says("ContactLinked", "number", NUMBER, account="ACC-1")
    no = facts.says("PreferenceRevoked", "account", "ACC-1")
    decision = gate_of(facts).decide(NUMBER, **OFFERS)
    told = decision.as_json()
    assert list(told) == [
        "decision_id", "subject", "channel", "purpose", "brand", "sender", "at", "allowed", "reason", "rule", "policy",
        "evidence", "watermark", "staleness_s",
    ]  # fmt: skip
    assert told | {"decision_id": ""} == {
        "decision_id": "", "subject": NUMBER, "channel": "sms", "purpose": "marketing.offers", "brand": "acme",
        "sender": None, "at": "2026-09-21T14:13:20.000Z", "allowed": False, "reason": "revoked_by_account",
        "rule": "most-restrictive@1", "policy": "default@1", "evidence": [no], "watermark": {"0": 3},
        "staleness_s": 0.0,
    }  # fmt: skip
    assert decision.decision_id == decision.decision_id != gate_of(facts).decide(NUMBER, **OFFERS).decision_id


def test_every_reason_has_a_rule() -> None:
    gate = gate_of(Facts())
    decision = gate.decide(NUMBER, **OFFERS)
    assert decision.rule == RULES[decision.reason] == "silence@1"
    assert (decision.allowed, decision.evidence, decision.policy) == (False, (), "default@1")


def test_an_address_is_asked_about_as_a_number_is() -> None:
    facts = Facts()
    no = facts.says("PreferenceRevoked", "email", MAIL)
    for spelling in (MAIL, f"email:{MAIL}", "Jean@Example.org", Subject("email", MAIL)):
        decision = gate_of(facts).decide(spelling, channel="email", purpose="service", at=NOW)
        assert (decision.reason, decision.evidence, str(decision.subject)) == (
            "revoked_by_number",
            (no,),
            f"email:{MAIL}",
        )


def test_a_number_is_one_number_in_every_spelling() -> None:
    facts = Facts()
    facts.says("PreferenceRevoked", "number", NUMBER)
    gate = Gate(ViewCopy(facts.view()), REFERENCES, region="CA")
    for spelling in (NUMBER, f"number:{NUMBER}", "+1 (416) 555-0123", "416 555 0123", Subject("number", NUMBER)):
        assert gate.decide(spelling, **OFFERS).reason == "revoked_by_number"


@pytest.mark.parametrize("contact", ["12", "+1", "account:ACC-1", Subject("account", "ACC-1"), "", "*", "4165550123"])
def test_what_is_no_contact_is_refused_and_never_guessed(contact: str | Subject) -> None:
    with pytest.raises(ContactError):
        gate_of(Facts()).decide(contact, **OFFERS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel", "*"), ("purpose", "*"), ("brand", "*"), ("channel", "pigeon"), ("purpose", "marketing.secret"),
        ("brand", "nobody"), ("channel", ""), ("purpose", "Marketing"),
    ],
)  # fmt: skip
def test_a_question_is_concrete_and_known_to_the_policy(field: str, value: str) -> None:
    with pytest.raises(ScopeError):
        gate_of(Facts()).decide(NUMBER, **(OFFERS | {field: value}))


def test_without_a_policy_in_force_the_question_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(ScopeError, match="policy publish"):
        gate_of(Facts(policy=None)).decide(NUMBER, **OFFERS)


def test_the_brand_is_the_one_that_was_asked_else_the_gates_else_the_policys() -> None:
    view = view_with()
    assert Gate(ViewCopy(view), REFERENCES).decide(NUMBER, **OFFERS).brand == "acme"
    other = Gate(ViewCopy(view), REFERENCES, default_brand="other")
    assert other.decide(NUMBER, **OFFERS).brand == "other"
    assert other.decide(NUMBER, **OFFERS, brand="acme").brand == "acme"


def test_the_jurisdiction_is_the_numbers_unless_it_is_said() -> None:
    gate = gate_of(Facts())
    survey = {"channel": "sms", "purpose": "survey", "at": NOW}
    assert gate.decide(NUMBER, **survey).reason == "permitted_by_policy"
    assert gate.decide(OTHER, **survey).reason == "no_consent"
    assert gate.decide(OTHER, **survey, jurisdiction="CA").reason == "permitted_by_policy"
    assert gate.decide(MAIL, **survey).reason == "no_consent"
    assert gate.decide(NUMBER, **OFFERS).jurisdiction is None  # nothing asked for it


class Aged(ViewCopy):
    age = 31.0

    def staleness_s(self) -> float:
        return self.age


def test_an_old_copy_denies_what_needs_consent_and_passes_what_never_needs_it() -> None:
    facts = Facts()
    facts.says("PreferenceGranted", "number", NUMBER)
    copy = Aged(facts.view())
    gate = Gate(copy, REFERENCES)
    assert gate.decide(NUMBER, **OFFERS).reason == "stale"
    assert gate.decide(NUMBER, channel="sms", purpose="service.codes", at=NOW).reason == "never_needs_consent"
    copy.age = float("inf")
    assert gate.decide(NUMBER, **OFFERS).as_json()["staleness_s"] is None
    copy.age = 30.0
    assert gate.decide(NUMBER, **OFFERS).allowed


def test_the_stop_switch_stops_what_never_needs_consent_too() -> None:
    facts = Facts()
    halt = facts.halts(channel="sms")
    decision = gate_of(facts).decide(NUMBER, channel="sms", purpose="service.codes", at=NOW)
    assert (decision.reason, decision.evidence) == ("halted", (halt,))


def test_the_policy_is_the_one_in_force_at_the_time_that_is_asked_about() -> None:
    facts = Facts()
    facts._add(
        "PolicyPublished",
        "operator",
        "operator:policy",
        {"policy": POLICY.model_copy(update={"version": "2", "effective_from": NOW, "brand": "other"})},
    )
    gate = gate_of(facts)
    for _ in range(2):
        before, after = gate.decide(NUMBER, **(OFFERS | {"at": NOW - 1})), gate.decide(NUMBER, **OFFERS)
        assert (before.policy, before.brand) == ("default@1", "acme")
        assert (after.policy, after.brand) == ("default@2", "other")


def test_now_is_asked_about_where_no_time_is_given() -> None:
    facts = Facts()
    facts.says("PreferenceRevoked", "number", NUMBER)
    decision = gate_of(facts).decide(NUMBER, channel="sms", purpose="marketing.offers")
    assert decision.at > 1_700_000_000_000


def test_another_secret_knows_nobody() -> None:
    facts = Facts()
    facts.says("PreferenceRevoked", "number", NUMBER)
    assert Gate(ViewCopy(facts.view()), References(bytes(32))).decide(NUMBER, **OFFERS).reason == "no_consent"


def test_a_gates_answers_over_generated_histories_are_the_resolvers() -> None:
    for seed in range(40):
        rng = Random(seed)
        told = history(rng, events=rng.randint(3, 45))
        view = view_of(told.facts)
        copy = ViewCopy(view)
        gate = Gate(copy, REFERENCES)
        for message in questions(rng, told):
            expected = asked(view, message)
            if expected.policy == "none@0":
                continue
            decision = gate.decide_ref(
                bytes.fromhex(message.contact), "email", "", channel=message.channel, purpose=message.purpose,
                brand=message.brand, sender=message.sender, at=message.at, jurisdiction=message.jurisdiction,
            )  # fmt: skip
            assert decision.verdict == expected
            question = gate.asked(message.at, *message[1:4], message.sender).question
            again = question.again(message.at, message.jurisdiction)
            assert answer(copy, bytes.fromhex(message.contact), again) == expected
