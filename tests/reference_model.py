"""The rules of `docs/design.md`, section 4, word by word: slow, without state, and easy to hold against the text.

Every question goes through the whole list of events again. Nothing here is shared with the folds that it is the
measure of, and nothing here is clever: where a fold keeps the last leaving, this asks which leavings there were.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ledger.log import Position
from schemas.events import (
    ContactLinked,
    ContactUnlinked,
    Event,
    FollowUpOpened,
    FollowUpResolved,
    NumberReassigned,
    PolicyPublished,
    PreferenceGranted,
    PreferenceRevoked,
    SenderRegistered,
    SenderSuspended,
    SenderVerified,
    StatementCorrected,
    TrafficHalted,
    TrafficResumed,
)
from schemas.policy import Policy
from schemas.times import DAY

CORRECTABLE = (
    PreferenceGranted,
    PreferenceRevoked,
    ContactLinked,
    ContactUnlinked,
    NumberReassigned,
    StatementCorrected,
)
ALLOWED = ("granted", "permitted_by_policy", "never_needs_consent")


class Fact(NamedTuple):
    """An event, where it stands in the log, and when the log's clock says that it came."""

    position: Position
    recorded_at: int
    event: Event


class Message(NamedTuple):
    """What is asked about; all concrete."""

    contact: str
    channel: str
    purpose: str
    brand: str
    jurisdiction: str | None
    sender: str | None
    at: int


class Answer(NamedTuple):
    """May it go out, why, and the ids of the events that say so."""

    allowed: bool
    reason: str
    evidence: frozenset[str]


class Case(NamedTuple):
    """A question, the events that count towards it but for their own times, and the policy that it is put under."""

    events: Sequence[Fact]
    message: Message
    policy: Policy


def answer(log: Sequence[Fact], message: Message, known: Mapping[int, int] | None = None) -> Answer:
    """Section 4, "Reasons, where several apply, in this order". `stale` is a gateway's, not an event's, matter."""
    return answer_of(case_of(log, message, known))


def answer_of(case: Case) -> Answer:
    """The answer to a question of which it is known which events count."""
    denials = [] if never_needs_consent(case) else denials_of(case)
    for reason, events in [("halted", halts(case)), *denials]:
        if events:
            return Answer(False, reason, ids(events))
    reason, evidence = ("never_needs_consent", []) if never_needs_consent(case) else consent(case)
    if reason in ALLOWED and not (sender_passes(case) or is_exempt(case)):
        return Answer(False, "sender_unreachable", frozenset())
    return Answer(reason in ALLOWED, reason, ids(evidence))


def denials_of(case: Case) -> list[tuple[str, list[Fact]]]:
    """Rule 2, "Any of them revoked: denied", and rule 7, "A follow-up that holds denies all that needs consent"."""
    return [
        ("revoked_by_number", own_revocations(case)),
        ("revoked_by_account", [r for account in accounts(case) for r in account_revocations(case, account)]),
        ("held_for_review", holds(case)),
    ]


def case_of(log: Sequence[Fact], message: Message, known: Mapping[int, int] | None) -> Case:
    """Section 4, "A statement counts if it is recorded (by K …), … it is not corrected"."""
    recorded = [f for f in log if known is None or f.position.offset < known.get(f.position.partition, 0)]
    events = distinct(recorded)
    standing = [fact for fact in events if not corrected(fact, events)]
    return Case(standing, message, policy_at(standing, message.at))


def ids(facts: Iterable[Fact]) -> frozenset[str]:
    """Evidence names events."""
    return frozenset(fact.event.event_id for fact in facts)


# --- the two clocks, section 3


def occurred(fact: Fact) -> int:
    """Section 3, "`occurred_at` counts as `min(occurred_at, recorded_at)`"."""
    return min(fact.event.occurred_at, fact.recorded_at)


def recorded_after(late: Fact, early: Fact) -> bool:
    """Section 3, "a higher offset in the same partition, or a strictly later `recorded_at` in another"."""
    if late.position.partition == early.position.partition:
        return late.position.offset > early.position.offset
    return late.recorded_at > early.recorded_at


def after(late: Fact, early: Fact) -> bool:
    """Rule 1, "both occurred and was recorded after it. Equal times: the revocation stays"."""
    return occurred(late) > occurred(early) and recorded_after(late, early)


# --- one event, however often it was sent; section 3, "Idempotency"


def distinct(log: Sequence[Fact]) -> list[Fact]:
    """The log without retries: "the same subject, key and content … is one event … A corrected event frees its key".

    The entries of a subject stand in one partition, so their offsets say which were there when another came.
    """
    events: list[Fact] = []
    for entry in sorted(log, key=lambda fact: fact.position):
        if not any(is_retry(entry, first, events) for first in events):
            events.append(entry)
    return events


def is_retry(entry: Fact, first: Fact, before: Sequence[Fact]) -> bool:
    """Whether the entry says again what `first` said, and that had not been corrected by then.

    Rule 9, "with any repetition": the very same event, id and all, is no second event even after a correction.
    """
    return entry.event == first.event or (claim(entry) == claim(first) and not corrected(first, before))


def claim(fact: Fact) -> tuple[str, str, str]:
    """Section 3, "the same subject, key and content"."""
    return fact.event.subject, fact.event.idempotency_key, fact.event.content


def corrected(fact: Fact, events: Sequence[Fact]) -> bool:
    """Rule 8, "Correcting a correction reinstates". Corrections obey K alone, so their times are not looked at.

    Corrections that correct each other in a circle mean nothing, and end here in a RecursionError.
    """
    return isinstance(fact.event, CORRECTABLE) and any(
        isinstance(it.event, StatementCorrected)
        and it.event.subject == fact.event.subject
        and it.event.corrects == fact.event.event_id
        and not corrected(it, events)
        for it in events
    )


# --- which statements count


def happened(case: Case, subject: str, *types: type[Event]) -> list[Fact]:
    """The events of a subject, of these types, that "occurred at or before T"."""
    return [
        fact
        for fact in case.events
        if fact.event.subject == subject and isinstance(fact.event, types) and occurred(fact) <= case.message.at
    ]


def covers(fact: Fact, message: Message) -> bool:
    """Section 4, "its scope covers the message"."""
    event = fact.event
    assert isinstance(event, PreferenceGranted | PreferenceRevoked | TrafficHalted)
    return event.scope.covers(message.brand, message.channel, message.purpose)


def in_time(case: Case, fact: Fact) -> bool:
    """Section 4, "T is not past its `valid_until` or the maximum age that policy gives its basis"."""
    event, limits = fact.event, []
    assert isinstance(event, PreferenceGranted | PreferenceRevoked)
    if event.valid_until is not None:
        limits.append(event.valid_until)
    if isinstance(event, PreferenceGranted) and event.basis in case.policy.max_age_days:
        limits.append(occurred(fact) + case.policy.max_age_days[event.basis] * DAY)
    return all(case.message.at <= limit for limit in limits)


def is_void(case: Case, grant: Fact) -> bool:
    """Rule 5, "grants of the contact that occurred before it, or at its very moment, are void"."""
    contact = case.message.contact
    return grant.event.subject == contact and any(
        occurred(grant) <= occurred(reassigned) for reassigned in happened(case, contact, NumberReassigned)
    )


def revocations(case: Case, subject: str) -> list[Fact]:
    """The revocations of a subject that count."""
    said = happened(case, subject, PreferenceRevoked)
    return [fact for fact in said if covers(fact, case.message) and in_time(case, fact)]


def said_yes(case: Case, subject: str) -> list[Fact]:
    """The grants of a subject that count or once counted: only time can have run out on them."""
    said = happened(case, subject, PreferenceGranted)
    return [fact for fact in said if covers(fact, case.message) and not is_void(case, fact)]


def grants(case: Case, subject: str) -> list[Fact]:
    """The grants of a subject that count."""
    return [fact for fact in said_yes(case, subject) if in_time(case, fact)]


# --- who belongs to which account; rules 3 and 5


def accounts(case: Case) -> list[str]:
    """Every account that the contact was ever said to belong to."""
    links = happened(case, case.message.contact, ContactLinked)
    return sorted({fact.event.account for fact in links if isinstance(fact.event, ContactLinked)})


def memberships(case: Case, account: str, at: int) -> list[Fact]:
    """The links and unlinks of the contact and the account by `at`; rule 5, reassignment is "a leaving of all"."""
    facts = happened(case, case.message.contact, ContactLinked, ContactUnlinked, NumberReassigned)
    return [
        fact
        for fact in facts
        if occurred(fact) <= at and (isinstance(fact.event, NumberReassigned) or _account(fact.event) == account)
    ]


def _account(event: Event) -> str:
    assert isinstance(event, ContactLinked | ContactUnlinked)
    return event.account


def linked(case: Case, account: str, at: int) -> bool:
    """Rule 3, "linked twice and unlinked once is unlinked; in a tie of times the link stays"."""
    facts = memberships(case, account, at)
    last = max(map(occurred, facts), default=None)
    return any(occurred(fact) == last and isinstance(fact.event, ContactLinked) for fact in facts)


def leavings(case: Case, account: str, at: int) -> list[Fact]:
    """Rule 3, "an unlink of what was not linked is no leaving"; of two in one moment the first recorded is it."""
    facts = memberships(case, account, at)
    moments = sorted({occurred(fact) for fact in facts})
    ends = [m for m in moments if linked(case, account, m - 1) and not linked(case, account, m)]
    return [min((fact for fact in facts if occurred(fact) == end), key=lambda f: f.position) for end in ends]


def had_left(case: Case, account: str, at: int) -> bool:
    """Rule 3, "except those that had left when it occurred"."""
    return not linked(case, account, at) and bool(leavings(case, account, at))


def stayed_since(case: Case, account: str, at: int) -> bool:
    """Rule 3, "and have not left since"."""
    return all(occurred(leaving) <= at for leaving in leavings(case, account, case.message.at))


# --- the levels; rules 1 to 4


def own_revocations(case: Case) -> list[Fact]:
    """Rule 1, "revoked if some counting revocation is not lifted by a counting grant"."""
    contact = case.message.contact
    yes = grants(case, contact)
    return [no for no in revocations(case, contact) if not any(after(grant, no) for grant in yes)]


def account_revocations(case: Case, account: str) -> list[Fact]:
    """Rule 2: the level of an account that the contact "is linked to at T", or "that it left", or none."""
    if linked(case, account, case.message.at):
        return linked_revocations(case, account)
    left = leavings(case, account, case.message.at)
    return former_revocations(case, account, left[-1]) if left else []


def linked_revocations(case: Case, account: str) -> list[Fact]:
    """Rule 3, "Linking inherits denials, also those that came before the link"."""
    return [
        no
        for no in revocations(case, account)
        if not account_lifts(case, account, no) and not number_lifts_account(case, no)
    ]


def former_revocations(case: Case, account: str, leaving: Fact) -> list[Fact]:
    """Rule 4, "Leaving does not free"; "Only the last leaving counts"."""
    return [
        no
        for no in revocations(case, account)
        if not after(no, leaving)
        and not account_lifts(case, account, no, leaving)
        and not number_lifts_former(case, no, leaving)
        and not number_lifts_account(case, no)
    ]


def account_lifts(case: Case, account: str, no: Fact, leaving: Fact | None = None) -> bool:
    """Rule 3, "lifts … for every contact except those that had left when it occurred".

    Rule 4, for a former level, "except those that occurred *and* were recorded after the leaving".
    """
    return any(
        after(grant, no)
        and not had_left(case, account, occurred(grant))
        and not (leaving is not None and after(grant, leaving))
        for grant in grants(case, account)
    )


def number_lifts_former(case: Case, no: Fact, leaving: Fact) -> bool:
    """Rule 4, "a grant of the contact itself that occurred and was recorded after both"."""
    return any(after(grant, no) and after(grant, leaving) for grant in grants(case, case.message.contact))


def number_lifts_account(case: Case, no: Fact) -> bool:
    """Rule 2, "A contact's grant lifts an account's revocation only if policy says so"; rule 4, the same switch."""
    own = grants(case, case.message.contact)
    return case.policy.number_lifts_account and any(after(grant, no) for grant in own)


def grants_to_contact(case: Case, account: str, grant: Fact) -> bool:
    """Rule 3, "*grants* only to contacts that were linked when it occurred and have not left since", or later links."""
    if not stayed_since(case, account, occurred(grant)):
        return False
    if linked(case, account, occurred(grant)):
        return True
    reaches_later = case.policy.grants_reach_later_links and not had_left(case, account, occurred(grant))
    return reaches_later and linked(case, account, case.message.at)


# --- silence; rule 6


def consent(case: Case) -> tuple[str, list[Fact]]:
    """Rule 1, "else *granted* if a grant counts"; rule 6, "With every level silent, policy decides"."""
    contact, message = case.message.contact, case.message
    yes = said_yes(case, contact) + [
        grant
        for account in accounts(case)
        for grant in said_yes(case, account)
        if grants_to_contact(case, account, grant)
    ]
    counting = [grant for grant in yes if in_time(case, grant)]
    if counting:
        return "granted", counting
    if case.policy.regime(message.purpose, message.channel, message.jurisdiction) == "opt_out":
        return "permitted_by_policy", []
    return ("consent_expired", yes) if yes else ("no_consent", [])


# --- what the operator says; rule 7 and section 3


def never_needs_consent(case: Case) -> bool:
    """Rule 7, "Purposes that policy marks as never needing consent … pass before all of this"."""
    return case.policy.never_needs_consent(case.message.purpose)


def is_exempt(case: Case) -> bool:
    """Rule 7, "unless policy exempts the purpose": said there of what never needs consent, and so of nothing else."""
    return never_needs_consent(case) and case.policy.exempt_from_sender_check(case.message.purpose)


def holds(case: Case) -> list[Fact]:
    """Rule 7, "A follow-up that holds denies …, from its opening to its resolution"."""
    own = open_holds(case, case.message.contact)
    inherited = [
        hold
        for account in accounts(case)
        for hold in open_holds(case, account)
        if was_linked_since(case, account, occurred(hold))
    ]
    return own + inherited


def open_holds(case: Case, subject: str) -> list[Fact]:
    """Section 3, `FollowUpResolved` "names its follow-up"; both are the same subject's."""
    resolved = {
        fact.event.follow_up
        for fact in happened(case, subject, FollowUpResolved)
        if isinstance(fact.event, FollowUpResolved)
    }
    return [
        fact
        for fact in happened(case, subject, FollowUpOpened)
        if isinstance(fact.event, FollowUpOpened) and fact.event.holds and fact.event.event_id not in resolved
    ]


def was_linked_since(case: Case, account: str, since: int) -> bool:
    """Section 3, "applies to every contact linked to it at any time while it is open"."""
    moments = {occurred(fact) for fact in memberships(case, account, case.message.at)} | {since}
    return any(linked(case, account, moment) for moment in moments if moment >= since)


def halts(case: Case) -> list[Fact]:
    """Section 3, "a resumption ends the halts of exactly its scope, after them on both clocks"."""
    halted = happened(case, "operator:traffic", TrafficHalted)
    resumed = happened(case, "operator:traffic", TrafficResumed)
    return [
        halt
        for halt in halted
        if covers(halt, case.message) and not any(ends_halt(resumption, halt) for resumption in resumed)
    ]


def ends_halt(resumption: Fact, halt: Fact) -> bool:
    """Whether a resumption is of exactly the halt's scope, and after it on both clocks."""
    assert isinstance(resumption.event, TrafficResumed)
    assert isinstance(halt.event, TrafficHalted)
    return resumption.event.scope == halt.event.scope and after(resumption, halt)


def no_policy() -> Policy:
    """Before any policy: "Silence is not consent", nothing is exempt and no switch is on."""
    return Policy(name="none", version="0", brand="none", brands=("none",), channels=(), purposes={}, effective_from=0)


def policy_at(events: Sequence[Fact], at: int) -> Policy:
    """Section 4, "policy at T is the last one effective by T, known at K"; of two at once the last recorded."""
    published = [
        (fact.event.policy.effective_from, fact.position, fact.event.policy)
        for fact in events
        if isinstance(fact.event, PolicyPublished) and fact.event.policy.effective_from <= at
    ]
    return max(published, key=lambda it: it[:2])[2] if published else no_policy()


def sender_passes(case: Case) -> bool:
    """Rule 7, "the check of the sender"; section 1, "unassigned or cannot take replies does not pass the gate"."""
    if case.message.sender is None:
        return True
    registered = about_sender(case, SenderRegistered)
    verified = about_sender(case, SenderVerified)
    suspended = max(map(occurred, about_sender(case, SenderSuspended)), default=None)
    if suspended is not None and all(occurred(fact) <= suspended for fact in registered + verified):
        return False
    if not registered:
        return case.policy.unknown_senders_pass
    last = max(registered, key=lambda fact: (occurred(fact), fact.position)).event
    assert isinstance(last, SenderRegistered)
    return last.takes_replies and bool(verified)


def about_sender(case: Case, what: type[SenderRegistered | SenderVerified | SenderSuspended]) -> list[Fact]:
    """What was said of the message's sender by T."""
    facts = happened(case, "operator:senders", what)
    return [fact for fact in facts if isinstance(fact.event, what) and fact.event.sender == case.message.sender]
