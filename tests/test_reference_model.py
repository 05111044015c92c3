"""The reference model against cases worked out by hand from the words of `docs/design.md`, section 4."""

from collections.abc import Callable
from random import Random

import pytest

from ledger.log import Position
from schemas.encoding import content_digest, decode, encode
from schemas.events import OPERATOR_POLICY, OPERATOR_SENDERS, OPERATOR_TRAFFIC, Event
from schemas.policy import Policy
from schemas.scope import Scope
from schemas.times import DAY
from tests.histories import History, history, make_event, questions, some_knowledge
from tests.reference_model import Answer, Fact, Message, answer

NUMBER, SISTER = "a" * 32, "b" * 32
ACCOUNT, OTHER_ACCOUNT = "c" * 32, "d" * 32
EVERYTHING = Scope()
OFFERS = Scope(brand="acme", channel="sms", purpose="marketing.offers")
MARKETING = Scope(brand="acme", channel="sms", purpose="marketing")


class Book:
    """A log written by hand. What is not said: it is recorded when it occurs, in partition 0, under a fresh key."""

    def __init__(self, **partitions: int) -> None:
        self.partitions = {ACCOUNT: partitions.get("account", 0)}
        self.facts: list[Fact] = []

    def add(self, kind_of_event: str, subject: str, at: int, **said: object) -> str:
        """Appends an event that occurred at `at` and was `recorded` then or later; returns its id."""
        recorded = said.pop("recorded", at)
        assert isinstance(recorded, int)
        number = len(self.facts) + 1
        envelope = {"kind": _kind(subject), "subject": subject, "event_id": _event_id(number), "occurred_at": at}
        event = make_event(kind_of_event, **({"idempotency_key": f"{number:032x}"} | envelope | said))
        return self._append(event, recorded)

    def _append(self, event: Event, recorded: int) -> str:
        partition = self.partitions.get(event.subject, 0)
        stood = [fact for fact in self.facts if fact.position.partition == partition]
        assert all(fact.recorded_at <= recorded for fact in stood), "the log's clock never runs backwards"
        self.facts.append(Fact(Position(partition, len(stood)), recorded, event))
        return event.event_id

    def again(self, event_id: str, at: int) -> str:
        """A retry, as a client sends it that got no answer: the same key and content, a new id, a later time."""
        event = next(fact.event for fact in self.facts if fact.event.event_id == event_id)
        again = {"event_id": _event_id(len(self.facts) + 1), "occurred_at": at}
        return self._append(event.model_copy(update=again), at)

    def revoke(self, subject: str, at: int, scope: Scope = EVERYTHING, **said: object) -> str:
        """The subject says no."""
        return self.add("PreferenceRevoked", subject, at, scope=scope, **said)

    def grant(self, subject: str, at: int, scope: Scope = OFFERS, **said: object) -> str:
        """The subject says yes."""
        return self.add("PreferenceGranted", subject, at, scope=scope, **({"basis": "express"} | said))

    def link(self, at: int, contact: str = NUMBER, **said: object) -> str:
        """The contact joins the account."""
        return self.add("ContactLinked", contact, at, **({"account": ACCOUNT} | said))

    def unlink(self, at: int, contact: str = NUMBER, **said: object) -> str:
        """The contact leaves the account."""
        return self.add("ContactUnlinked", contact, at, **({"account": ACCOUNT} | said))

    def reassign(self, at: int, **said: object) -> str:
        """Somebody else holds the number."""
        return self.add("NumberReassigned", NUMBER, at, **said)

    def correct(self, event_id: str, at: int, **said: object) -> str:
        """The event was wrong."""
        subject = next(fact.event.subject for fact in self.facts if fact.event.event_id == event_id)
        return self.add("StatementCorrected", said.pop("subject", subject), at, corrects=event_id, **said)  # type: ignore[arg-type]

    def policy(self, at: int = 0, **said: object) -> str:
        """A version of the policy, effective from `at`; what it does not say is as `policy_of` has it."""
        clock = max((fact.recorded_at for fact in self.facts), default=0)
        return self.add("PolicyPublished", OPERATOR_POLICY, clock, policy=policy_of(at, **said))

    def sender(self, what: str, at: int, **said: object) -> str:
        """Something about the sender 12345."""
        return self.add(f"Sender{what}", OPERATOR_SENDERS, at, sender="12345", **said)

    def ask(
        self, at: int, purpose: str = "marketing.offers", known: dict[int, int] | None = None, **said: str
    ) -> Answer:
        """May a message from acme go out to the number?"""
        about = {"contact": NUMBER, "channel": "sms", "brand": "acme", "jurisdiction": "CA", "sender": None} | said
        return answer(self.facts, Message(purpose=purpose, at=at, **about), known)  # type: ignore[arg-type]

    def reason(self, at: int, **said: str) -> str:
        """Why, or why not."""
        return self.ask(at, **said).reason  # type: ignore[arg-type]


def policy_of(effective_from: int, **said: object) -> Policy:
    """Marketing is opt-in, service opt-out, and codes never need consent."""
    purposes = {
        "marketing": {"regime": "opt_in"},
        "marketing.offers": {},
        "service": {"regime": "opt_out"},
        "service.codes": {"never_needs_consent": True},
    }
    rest = {"name": "test", "version": "1", "brand": "acme", "brands": ("acme",), "channels": ("sms",)}
    return Policy.model_validate(rest | {"purposes": purposes, "effective_from": effective_from} | said)


def _kind(subject: str) -> str:
    if subject in (ACCOUNT, OTHER_ACCOUNT):
        return "account"
    return "operator" if ":" in subject else "number"


def _event_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


@pytest.fixture
def book() -> Book:
    """A log that holds nothing but a policy."""
    book = Book()
    book.policy()
    return book


# --- rule 1


def test_stop_then_start_for_offers_leaves_only_offers(book: Book) -> None:
    book.revoke(NUMBER, 10)
    granted = book.grant(NUMBER, 20)
    assert book.ask(20) == Answer(True, "granted", frozenset({granted}))
    assert book.reason(20, purpose="marketing") == "revoked_by_number"
    assert book.reason(20, purpose="service") == "revoked_by_number"
    assert book.reason(20, channel="email") == "revoked_by_number"


def test_a_later_stop_closes_it_again(book: Book) -> None:
    first = book.revoke(NUMBER, 10)
    book.grant(NUMBER, 20)
    second = book.revoke(NUMBER, 30)
    assert book.ask(15).evidence == {first}
    assert book.ask(29).allowed
    assert book.ask(30) == Answer(False, "revoked_by_number", frozenset({second}))


def test_a_grant_that_runs_out_brings_the_revocation_back(book: Book) -> None:
    revoked = book.revoke(NUMBER, 10)
    book.grant(NUMBER, 20, valid_until=25)
    assert book.reason(25) == "granted"
    assert book.ask(26) == Answer(False, "revoked_by_number", frozenset({revoked}))


def test_a_revocation_that_runs_out_leaves_the_grant_before_it(book: Book) -> None:
    book.grant(NUMBER, 10)
    book.revoke(NUMBER, 20, valid_until=25)
    assert book.reason(25) == "revoked_by_number"
    assert book.reason(26) == "granted"


def test_in_a_tie_of_times_the_revocation_stays(book: Book) -> None:
    book.revoke(NUMBER, 10)
    book.grant(NUMBER, 10)
    assert book.reason(10) == "revoked_by_number"


def test_an_old_opt_in_list_imported_today_cannot_undo_yesterdays_stop(book: Book) -> None:
    book.revoke(NUMBER, 10)
    book.grant(NUMBER, 5, recorded=20)
    assert book.reason(30) == "revoked_by_number"


def test_a_late_entered_opt_out_counts_at_once(book: Book) -> None:
    book.grant(NUMBER, 20)
    book.revoke(NUMBER, 10, recorded=30)
    assert book.reason(30) == "revoked_by_number"


def test_a_time_in_the_future_counts_as_the_time_of_recording(book: Book) -> None:
    book.revoke(NUMBER, 1_000, recorded=10)
    book.grant(NUMBER, 11)
    assert book.reason(10) == "revoked_by_number"
    assert book.reason(11) == "granted"


def test_what_occurs_after_the_message_does_not_count(book: Book) -> None:
    book.grant(NUMBER, 10)
    assert book.reason(9) == "no_consent"
    assert book.reason(10) == "granted"


def test_a_narrow_revocation_leaves_its_siblings_alone(book: Book) -> None:
    book.grant(NUMBER, 10, MARKETING)
    book.revoke(NUMBER, 20, OFFERS)
    assert book.reason(20) == "revoked_by_number"
    assert book.reason(20, purpose="marketing.news") == "granted"


# --- rule 2


def test_any_revoked_level_denies(book: Book) -> None:
    book.link(1)
    book.link(1, account=OTHER_ACCOUNT)
    revoked = book.revoke(ACCOUNT, 10)
    book.grant(NUMBER, 20)
    book.grant(OTHER_ACCOUNT, 20)
    assert book.ask(20) == Answer(False, "revoked_by_account", frozenset({revoked}))


def test_the_contacts_own_revocation_is_named_before_its_accounts(book: Book) -> None:
    book.link(1)
    book.revoke(ACCOUNT, 10)
    own = book.revoke(NUMBER, 10)
    assert book.ask(20) == Answer(False, "revoked_by_number", frozenset({own}))


def test_revocations_of_all_accounts_linked_and_former_are_named(book: Book) -> None:
    book.link(1)
    book.link(1, account=OTHER_ACCOUNT)
    book.unlink(5, account=OTHER_ACCOUNT)
    linked, former = book.revoke(ACCOUNT, 6), book.revoke(OTHER_ACCOUNT, 2, recorded=6)
    assert book.ask(10) == Answer(False, "revoked_by_account", frozenset({linked, former}))


@pytest.mark.parametrize(("switch", "reason"), [(False, "revoked_by_account"), (True, "granted")])
def test_a_contacts_grant_lifts_its_account_only_where_policy_says_so(switch: bool, reason: str) -> None:
    book = Book()
    book.policy(number_lifts_account=switch)
    book.link(1)
    book.revoke(ACCOUNT, 10)
    book.grant(NUMBER, 20)
    assert book.reason(20) == reason


def test_an_accounts_grant_never_lifts_a_contacts_revocation(book: Book) -> None:
    book.link(1)
    book.revoke(NUMBER, 10)
    book.grant(ACCOUNT, 20)
    assert book.reason(20) == "revoked_by_number"


# --- rule 3


def test_linking_inherits_denials_that_came_before_the_link(book: Book) -> None:
    book.revoke(ACCOUNT, 10)
    book.link(20)
    assert book.reason(19) == "no_consent"
    assert book.reason(20) == "revoked_by_account"


def test_an_accounts_grant_grants_only_to_contacts_linked_when_it_occurred(book: Book) -> None:
    book.link(10)
    book.grant(ACCOUNT, 10)
    book.link(11, contact=SISTER)
    assert book.reason(20) == "granted"
    assert book.reason(20, contact=SISTER) == "no_consent"


def test_an_accounts_grant_lifts_its_revocations_for_contacts_linked_later_too(book: Book) -> None:
    book.revoke(ACCOUNT, 10)
    book.grant(ACCOUNT, 20)
    book.link(30)
    assert book.reason(30) == "no_consent"
    assert book.reason(30, purpose="service") == "revoked_by_account"


def test_policy_may_extend_an_accounts_grant_to_later_links(book: Book) -> None:
    book.policy(1, grants_reach_later_links=True)
    book.grant(ACCOUNT, 10)
    book.link(20)
    assert book.reason(19) == "no_consent"
    assert book.reason(20) == "granted"


def test_who_left_and_came_back_is_not_granted_what_the_account_granted_before(book: Book) -> None:
    book.policy(1, grants_reach_later_links=True)
    book.link(10)
    book.grant(ACCOUNT, 20)
    book.unlink(30)
    book.link(40)
    assert book.reason(40) == "no_consent"


def test_a_grant_does_not_lift_for_those_that_had_left_even_when_they_come_back(book: Book) -> None:
    revoked = book.revoke(ACCOUNT, 1)
    book.link(10)
    book.unlink(20)
    book.grant(ACCOUNT, 30)
    book.link(40)
    assert book.ask(40) == Answer(False, "revoked_by_account", frozenset({revoked}))


def test_linked_twice_and_unlinked_once_is_unlinked(book: Book) -> None:
    book.link(10)
    book.link(11)
    book.grant(ACCOUNT, 12)
    book.unlink(20)
    assert book.reason(19) == "granted"
    assert book.reason(20) == "no_consent"


@pytest.mark.parametrize("order", ["link first", "unlink first"])
def test_in_a_tie_of_times_the_link_stays(book: Book, order: str) -> None:
    book.link(10)
    book.grant(ACCOUNT, 12)
    for move in (book.link, book.unlink) if order == "link first" else (book.unlink, book.link):
        move(20)
    assert book.reason(30) == "granted"


def test_an_unlink_of_what_was_not_linked_is_no_leaving(book: Book) -> None:
    book.revoke(ACCOUNT, 5)
    book.unlink(10)
    assert book.reason(20) == "no_consent"
    book.link(30)
    book.unlink(20, recorded=31)
    assert book.reason(31) == "revoked_by_account"


def test_an_unlink_after_the_leaving_does_not_move_it(book: Book) -> None:
    book.link(10)
    book.unlink(20)
    book.revoke(ACCOUNT, 25)
    book.unlink(30)
    assert book.reason(40) == "no_consent"


def test_of_two_unlinks_in_one_moment_the_first_recorded_is_the_leaving(book: Book) -> None:
    book.link(10)
    book.unlink(20)
    book.revoke(ACCOUNT, 25)
    book.unlink(20, recorded=30)
    assert book.reason(40) == "no_consent"


def test_who_leaves_at_the_very_moment_of_a_grant_had_left(book: Book) -> None:
    book.revoke(ACCOUNT, 5)
    book.link(10)
    book.grant(ACCOUNT, 20)
    assert book.reason(20) == "granted"
    book.unlink(20)
    assert book.reason(20) == "revoked_by_account"


def test_who_had_left_when_an_account_granted_is_no_later_link(book: Book) -> None:
    book.policy(1, grants_reach_later_links=True)
    book.link(10)
    book.unlink(20)
    book.grant(ACCOUNT, 30)
    book.link(40)
    assert book.reason(40) == "no_consent"


# --- rule 4


def test_leaving_does_not_free(book: Book) -> None:
    book.link(10)
    revoked = book.revoke(ACCOUNT, 20)
    book.unlink(30)
    assert book.ask(40) == Answer(False, "revoked_by_account", frozenset({revoked}))


def test_a_former_account_can_only_deny(book: Book) -> None:
    book.link(10)
    book.grant(ACCOUNT, 20)
    book.unlink(30)
    assert book.reason(29) == "granted"
    assert book.reason(30) == "no_consent"


def test_what_an_account_says_after_a_contact_left_does_not_reach_it(book: Book) -> None:
    book.link(10)
    book.unlink(20)
    book.revoke(ACCOUNT, 21)
    assert book.reason(30) == "no_consent"


def test_what_occurred_before_the_leaving_reaches_it_however_late_it_is_recorded(book: Book) -> None:
    book.link(10)
    book.unlink(20)
    book.revoke(ACCOUNT, 20, recorded=40)
    assert book.reason(50) == "revoked_by_account"


def test_what_was_recorded_before_the_leaving_reaches_it_although_it_occurred_after(book: Book) -> None:
    book.link(10)
    book.revoke(ACCOUNT, 30)
    book.unlink(20, recorded=40)
    assert book.reason(50) == "revoked_by_account"


def test_a_grant_before_the_leaving_lifts_for_the_former_contact_too(book: Book) -> None:
    book.link(10)
    book.revoke(ACCOUNT, 15)
    book.grant(ACCOUNT, 20)
    book.unlink(30)
    assert book.reason(40) == "no_consent"


@pytest.mark.parametrize(
    ("granted_at", "reason"), [(20, "revoked_by_account"), (30, "revoked_by_account"), (31, "granted")]
)
def test_a_former_revocation_is_lifted_by_the_contacts_own_grant_after_the_leaving(
    book: Book, granted_at: int, reason: str
) -> None:
    book.link(10)
    book.revoke(ACCOUNT, 15)
    book.unlink(30, recorded=40)
    book.grant(NUMBER, granted_at, recorded=50)
    assert book.reason(60) == reason


def test_a_former_revocation_that_is_recorded_after_the_grant_is_not_lifted_by_it(book: Book) -> None:
    book.link(10)
    book.revoke(ACCOUNT, 15)
    book.unlink(20)
    book.grant(NUMBER, 30)
    late = book.revoke(ACCOUNT, 16, recorded=40)
    assert book.ask(50) == Answer(False, "revoked_by_account", frozenset({late}))


def test_where_a_contact_lifts_its_account_a_grant_before_the_leaving_lifts_too(book: Book) -> None:
    book.policy(1, number_lifts_account=True)
    book.link(10)
    book.revoke(ACCOUNT, 15)
    book.grant(NUMBER, 20)
    book.unlink(30)
    assert book.reason(40) == "granted"


def test_only_the_last_leaving_counts(book: Book) -> None:
    book.link(10)
    book.unlink(20)
    revoked = book.revoke(ACCOUNT, 30)
    book.grant(NUMBER, 35)
    assert book.reason(36) == "granted"
    book.link(40)
    book.unlink(50)
    assert book.ask(60) == Answer(False, "revoked_by_account", frozenset({revoked}))


def test_while_a_contact_is_linked_again_the_former_level_rests(book: Book) -> None:
    book.link(10)
    book.revoke(ACCOUNT, 15)
    book.unlink(20)
    book.grant(NUMBER, 30)
    assert book.reason(39) == "granted"
    book.link(40)
    assert book.reason(40) == "revoked_by_account"


# --- rule 5


def test_reassignment_voids_grants_at_its_very_moment_and_before(book: Book) -> None:
    book.grant(NUMBER, 10)
    book.reassign(20)
    book.grant(NUMBER, 20)
    assert book.reason(19) == "granted"
    assert book.reason(20) == "no_consent"
    book.grant(NUMBER, 21)
    assert book.reason(21) == "granted"


def test_revocations_stay_until_the_new_holder_grants_even_such_as_the_old_one_had_lifted(book: Book) -> None:
    book.revoke(NUMBER, 10)
    book.grant(NUMBER, 15)
    book.reassign(20)
    assert book.reason(20) == "revoked_by_number"
    book.grant(NUMBER, 30)
    assert book.reason(30) == "granted"


def test_reassignment_leaves_all_accounts_and_their_denials_stay(book: Book) -> None:
    book.link(10)
    book.link(10, account=OTHER_ACCOUNT)
    book.grant(ACCOUNT, 11)
    revoked = book.revoke(OTHER_ACCOUNT, 12)
    book.reassign(20)
    assert book.ask(30) == Answer(False, "revoked_by_account", frozenset({revoked}))
    book.grant(NUMBER, 40)
    assert book.reason(40) == "granted"


def test_a_corrected_reassignment_voids_nothing(book: Book) -> None:
    book.grant(NUMBER, 10)
    reassigned = book.reassign(20)
    book.correct(reassigned, 30)
    assert book.reason(25) == "granted"


# --- rule 6


def test_silence_is_not_consent_where_policy_is_opt_in(book: Book) -> None:
    assert book.ask(10) == Answer(False, "no_consent", frozenset())


def test_silence_is_permitted_where_policy_is_opt_out(book: Book) -> None:
    assert book.ask(10, purpose="service") == Answer(True, "permitted_by_policy", frozenset())


def test_before_any_policy_everything_is_opt_in() -> None:
    book = Book()
    assert book.reason(10, purpose="service") == "no_consent"
    book.policy(20)
    assert book.reason(19, purpose="service") == "no_consent"
    assert book.reason(20, purpose="service") == "permitted_by_policy"


def test_the_regime_depends_on_where_the_contact_is(book: Book) -> None:
    rules = [{"jurisdiction": "FR", "regime": "opt_in"}, {"regime": "opt_out"}]
    book.policy(5, purposes={"marketing": {"regime": rules}})
    assert book.reason(10, jurisdiction="CA") == "permitted_by_policy"
    assert book.reason(10, jurisdiction="FR") == "no_consent"


def test_consent_that_ran_out_is_named(book: Book) -> None:
    book.policy(1, max_age_days={"implied": 2})
    implied = book.grant(NUMBER, 10, basis="implied")
    assert book.reason(10 + 2 * DAY) == "granted"
    assert book.ask(11 + 2 * DAY) == Answer(False, "consent_expired", frozenset({implied}))


def test_an_accounts_grant_that_ran_out_is_named_only_for_whom_it_granted(book: Book) -> None:
    book.link(1)
    run_out = book.grant(ACCOUNT, 10, valid_until=20)
    book.link(15, contact=SISTER)
    assert book.ask(21) == Answer(False, "consent_expired", frozenset({run_out}))
    assert book.reason(21, contact=SISTER) == "no_consent"


def test_a_void_grant_has_not_run_out(book: Book) -> None:
    book.grant(NUMBER, 10, valid_until=12)
    assert book.reason(13) == "consent_expired"
    book.reassign(20)
    assert book.reason(20) == "no_consent"


def test_where_policy_is_opt_out_a_grant_that_ran_out_takes_nothing_away(book: Book) -> None:
    book.grant(NUMBER, 10, Scope(purpose="service"), valid_until=12)
    assert book.reason(13, purpose="service") == "permitted_by_policy"


def test_of_policies_effective_at_once_the_last_recorded_counts(book: Book) -> None:
    book.policy(20, purposes={"marketing": {"regime": "opt_in"}})
    book.policy(20, purposes={"marketing": {"regime": "opt_out"}})
    book.policy(10, purposes={"marketing": {"regime": "opt_in"}})
    assert book.reason(19) == "no_consent"
    assert book.reason(20) == "permitted_by_policy"


def test_a_policy_is_effective_from_the_time_it_names_however_late_it_is_published(book: Book) -> None:
    book.grant(NUMBER, 30)
    book.policy(10, purposes={"marketing": {"regime": "opt_out"}})
    assert book.reason(15) == "permitted_by_policy"


# --- rule 7


def test_what_never_needs_consent_passes_before_all_of_this(book: Book) -> None:
    book.revoke(NUMBER, 10)
    book.add("FollowUpOpened", NUMBER, 10, reason="unclear", holds=True)
    assert book.ask(20, purpose="service.codes") == Answer(True, "never_needs_consent", frozenset())


def test_the_stop_switch_stops_even_what_never_needs_consent(book: Book) -> None:
    halted = book.add("TrafficHalted", OPERATOR_TRAFFIC, 10, scope=EVERYTHING)
    assert book.ask(10, purpose="service.codes") == Answer(False, "halted", frozenset({halted}))
    assert book.reason(9, purpose="service.codes") == "never_needs_consent"


def test_only_a_resumption_of_exactly_the_scope_ends_a_halt(book: Book) -> None:
    book.grant(NUMBER, 1)
    book.add("TrafficHalted", OPERATOR_TRAFFIC, 10, scope=MARKETING)
    book.add("TrafficResumed", OPERATOR_TRAFFIC, 20, scope=EVERYTHING)
    assert book.reason(20) == "halted"
    book.add("TrafficResumed", OPERATOR_TRAFFIC, 30, scope=MARKETING)
    assert book.reason(29) == "halted"
    assert book.reason(30) == "granted"


def test_a_resumption_at_the_moment_of_the_halt_ends_nothing(book: Book) -> None:
    book.add("TrafficHalted", OPERATOR_TRAFFIC, 10, scope=EVERYTHING)
    book.add("TrafficResumed", OPERATOR_TRAFFIC, 10, scope=EVERYTHING)
    assert book.reason(20) == "halted"


def test_a_halt_that_is_recorded_late_is_not_ended_by_a_resumption_before_it(book: Book) -> None:
    book.add("TrafficResumed", OPERATOR_TRAFFIC, 20, scope=EVERYTHING)
    book.add("TrafficHalted", OPERATOR_TRAFFIC, 10, recorded=30, scope=EVERYTHING)
    assert book.reason(40) == "halted"


def test_a_follow_up_holds_from_its_opening_to_its_resolution(book: Book) -> None:
    book.grant(NUMBER, 1)
    opened = book.add("FollowUpOpened", NUMBER, 10, reason="unclear", holds=True)
    book.add("FollowUpResolved", NUMBER, 20, follow_up=opened)
    assert [book.reason(at) for at in (9, 10, 19, 20)] == ["granted", "held_for_review", "held_for_review", "granted"]
    assert book.ask(19).evidence == {opened}


def test_a_follow_up_that_does_not_hold_denies_nothing(book: Book) -> None:
    book.add("FollowUpOpened", NUMBER, 10, reason="unclear", holds=False)
    assert book.reason(20, purpose="service") == "permitted_by_policy"


def test_an_accounts_hold_applies_to_who_was_linked_at_any_time_while_it_is_open(book: Book) -> None:
    book.link(1)
    book.unlink(10)
    book.add("FollowUpOpened", ACCOUNT, 10, reason="unclear", holds=True)
    assert book.reason(19, purpose="service") == "permitted_by_policy"
    book.link(20)
    book.unlink(21)
    assert book.reason(30, purpose="service") == "held_for_review"


def test_an_accounts_hold_applies_to_who_was_linked_at_its_opening(book: Book) -> None:
    book.link(1)
    opened = book.add("FollowUpOpened", ACCOUNT, 10, reason="unclear", holds=True)
    assert book.ask(10) == Answer(False, "held_for_review", frozenset({opened}))


def test_a_follow_up_is_not_resolved_under_another_subject(book: Book) -> None:
    opened = book.add("FollowUpOpened", NUMBER, 10, reason="unclear", holds=True)
    book.add("FollowUpResolved", ACCOUNT, 20, follow_up=opened)
    assert book.reason(30) == "held_for_review"


# --- rule 8


def test_a_corrected_statement_does_not_count_at_any_time(book: Book) -> None:
    book.grant(NUMBER, 1)
    revoked = book.revoke(NUMBER, 10)
    book.correct(revoked, 1_000)
    assert book.reason(10) == "granted"


def test_correcting_a_correction_reinstates(book: Book) -> None:
    revoked = book.revoke(NUMBER, 10)
    correction = book.correct(revoked, 20)
    assert book.reason(30) == "no_consent"
    second = book.correct(correction, 40)
    assert book.reason(30) == "revoked_by_number"
    book.correct(second, 50)
    assert book.reason(30) == "no_consent"


def test_a_correction_carries_the_subject_of_what_it_corrects(book: Book) -> None:
    revoked = book.revoke(NUMBER, 10)
    book.correct(revoked, 20, subject=SISTER)
    assert book.reason(30) == "revoked_by_number"


def test_a_corrected_link_was_never_there(book: Book) -> None:
    linked = book.link(10)
    book.revoke(ACCOUNT, 15)
    book.unlink(20)
    book.correct(linked, 30)
    assert book.reason(18) == "no_consent"
    assert book.reason(30) == "no_consent"


def test_a_corrected_unlink_leaves_the_contact_linked(book: Book) -> None:
    book.link(10)
    book.grant(ACCOUNT, 15)
    unlinked = book.unlink(20)
    book.correct(unlinked, 30)
    assert book.reason(25) == "granted"


def test_a_correction_does_not_touch_a_follow_up(book: Book) -> None:
    opened = book.add("FollowUpOpened", NUMBER, 10, reason="unclear", holds=True)
    book.correct(opened, 20)
    assert book.reason(30) == "held_for_review"


# --- rule 9 and section 3: what is one event, and what came after what


def test_a_retry_is_no_second_statement(book: Book) -> None:
    granted = book.grant(NUMBER, 10)
    book.revoke(NUMBER, 20)
    book.again(granted, 30)
    assert book.reason(40) == "revoked_by_number"


def test_a_corrected_event_frees_its_key(book: Book) -> None:
    granted = book.grant(NUMBER, 10)
    book.revoke(NUMBER, 20)
    book.correct(granted, 25)
    second = book.again(granted, 30)
    book.again(granted, 35)
    assert book.ask(40) == Answer(True, "granted", frozenset({second}))


def test_a_key_that_was_freed_stays_used_when_the_correction_is_corrected(book: Book) -> None:
    granted = book.grant(NUMBER, 10)
    correction = book.correct(granted, 20)
    second = book.again(granted, 30)
    book.correct(correction, 40)
    assert book.ask(50).evidence == {granted, second}


def test_the_same_key_with_other_content_counts_twice(book: Book) -> None:
    book.grant(NUMBER, 10, idempotency_key="e" * 32)
    revoked = book.revoke(NUMBER, 20, idempotency_key="e" * 32)
    assert book.ask(30) == Answer(False, "revoked_by_number", frozenset({revoked}))


def test_the_same_event_twice_is_one_even_after_it_was_corrected(book: Book) -> None:
    granted = book.grant(NUMBER, 10)
    first = book.facts[-1]
    revoked = book.revoke(NUMBER, 20)
    correction = book.correct(granted, 25)
    book.facts.append(Fact(Position(0, len(book.facts)), 30, first.event))
    book.correct(correction, 35)
    assert book.ask(40).evidence == {revoked}


def test_the_same_event_repeated_is_not_recorded_again_later(book: Book) -> None:
    granted = book.grant(NUMBER, 20)
    first = book.facts[-1]
    book.revoke(NUMBER, 10, recorded=25)
    correction = book.correct(granted, 30)
    book.facts.append(Fact(Position(0, len(book.facts)), 40, first.event))
    book.correct(correction, 50)
    assert book.reason(60) == "revoked_by_number"


def test_across_partitions_an_equal_recording_time_is_not_after() -> None:
    for recorded, reason in [(20, "revoked_by_account"), (21, "granted")]:
        book = Book(account=1)
        book.policy(number_lifts_account=True)
        book.link(1)
        book.revoke(ACCOUNT, 10, recorded=20)
        book.grant(NUMBER, 15, recorded=recorded)
        assert book.reason(30) == reason


def test_within_a_partition_a_higher_offset_is_after_although_the_clock_stood_still(book: Book) -> None:
    book.revoke(NUMBER, 10, recorded=20)
    book.grant(NUMBER, 15, recorded=20)
    assert book.reason(30) == "granted"


def test_what_was_not_known_at_k_does_not_count() -> None:
    book = Book(account=1)
    book.policy()
    book.grant(NUMBER, 1)
    book.link(2)
    book.revoke(ACCOUNT, 5)
    assert book.ask(10, known={0: 3, 1: 1}).reason == "revoked_by_account"
    assert book.ask(10, known={0: 3, 1: 0}).reason == "granted"
    assert book.ask(10, known={0: 2, 1: 1}).reason == "granted"
    assert book.ask(10, known={0: 1}).reason == "no_consent"


# --- the sender


def test_a_sender_passes_once_it_is_registered_and_verified(book: Book) -> None:
    book.grant(NUMBER, 1)
    book.sender("Registered", 10, brand="acme", takes_replies=True)
    book.sender("Verified", 20)
    assert [book.reason(at, sender="12345") for at in (9, 10, 20)] == ["granted", "sender_unreachable", "granted"]


def test_a_sender_that_takes_no_replies_or_is_suspended_is_unreachable(book: Book) -> None:
    book.grant(NUMBER, 1)
    book.sender("Registered", 10, brand="acme", takes_replies=True)
    book.sender("Verified", 10)
    book.sender("Suspended", 20)
    book.sender("Verified", 20)
    assert book.reason(20, sender="12345") == "sender_unreachable"
    book.sender("Verified", 30)
    assert book.reason(30, sender="12345") == "granted"
    book.sender("Registered", 40, brand="acme", takes_replies=False)
    assert book.ask(40, sender="12345") == Answer(False, "sender_unreachable", frozenset())


def test_a_sender_that_nobody_registered_passes_only_where_policy_lets_it(book: Book) -> None:
    book.grant(NUMBER, 1)
    book.policy(10, unknown_senders_pass=False)
    assert book.reason(9, sender="12345") == "granted"
    assert book.reason(10, sender="12345") == "sender_unreachable"
    assert book.reason(10) == "granted"


@pytest.mark.parametrize(("exempt", "reason"), [(False, "sender_unreachable"), (True, "never_needs_consent")])
def test_the_check_of_the_sender_applies_to_codes_unless_policy_exempts_them(exempt: bool, reason: str) -> None:
    book = Book()
    codes = {"never_needs_consent": True, "exempt_from_sender_check": exempt}
    book.policy(purposes={"codes": codes}, unknown_senders_pass=False)
    assert book.reason(10, purpose="codes", sender="12345") == reason


def test_only_what_never_needs_consent_can_be_exempt_from_the_check_of_the_sender() -> None:
    book = Book()
    book.policy(purposes={"news": {"regime": "opt_out", "exempt_from_sender_check": True}}, unknown_senders_pass=False)
    assert book.reason(10, purpose="news", sender="12345") == "sender_unreachable"


def test_the_sender_is_named_last(book: Book) -> None:
    book.sender("Suspended", 1)
    assert book.reason(10, sender="12345") == "no_consent"


# --- the generated histories


@pytest.fixture(scope="module", params=[1, 3])
def histories(request: pytest.FixtureRequest) -> list[History]:
    """A hundred of them."""
    return [history(Random(seed), partitions=request.param) for seed in range(100)]


def test_a_history_is_a_log_as_an_adapter_would_hold_it(histories: list[History]) -> None:
    for drawn in histories:
        homes: dict[str, int] = {}
        for partition in range(drawn.partitions):
            entries = [fact for fact in drawn.facts if fact.position.partition == partition]
            assert [fact.position.offset for fact in entries] == list(range(len(entries)))
            assert [fact.recorded_at for fact in entries] == sorted(fact.recorded_at for fact in entries)
        for fact in drawn.facts:
            assert homes.setdefault(fact.event.subject, fact.position.partition) == fact.position.partition


def test_every_event_of_a_history_is_valid_and_carries_the_digest_of_its_content(histories: list[History]) -> None:
    for fact in histories[0].facts + histories[1].facts:
        assert decode(encode(fact.event)) == fact.event
        assert content_digest(fact.event.model_dump(mode="json", exclude_none=True)) == fact.event.content


def test_one_seed_gives_one_history_and_one_list_of_questions() -> None:
    def draw() -> tuple[History, list[Message]]:
        rng = Random(7)
        drawn = history(rng, partitions=3)
        return drawn, questions(rng, drawn)

    assert draw() == draw()


def test_the_histories_reach_every_reason(histories: list[History]) -> None:
    rng = Random(0)
    reasons = {answer(drawn.facts, it).reason for drawn in histories for it in questions(rng, drawn, 20)}
    assert reasons == {
        *("halted", "never_needs_consent", "revoked_by_number", "revoked_by_account", "held_for_review"),
        *("consent_expired", "no_consent", "granted", "permitted_by_policy", "sender_unreachable"),
    }


def _shuffled(rng: Random, drawn: History) -> list[Fact]:
    return rng.sample(drawn.facts, len(drawn.facts))


def _repeated(rng: Random, drawn: History) -> list[Fact]:
    return drawn.facts + rng.sample(drawn.facts, 5)


@pytest.mark.parametrize("change", [_shuffled, _repeated])
def test_neither_order_nor_repetition_of_delivery_changes_an_answer(
    histories: list[History], change: Callable[[Random, History], list[Fact]]
) -> None:
    rng = Random(1)
    for drawn in histories[:20]:
        delivered = change(rng, drawn)
        for question in questions(rng, drawn, 5):
            assert answer(delivered, question) == answer(drawn.facts, question)


def test_what_was_known_is_what_a_shorter_log_says(histories: list[History]) -> None:
    rng = Random(2)
    for drawn in histories[:20]:
        known = some_knowledge(rng, drawn)
        prefix = [fact for fact in drawn.facts if fact.position.offset < known[fact.position.partition]]
        for question in questions(rng, drawn, 5):
            assert answer(drawn.facts, question, known) == answer(prefix, question)
