"""The resolver: joins a contact with its accounts and says whether a message may go out. Pure.

The order of the reasons, and every rule, stands in `docs/decision-table.md` in words that a lawyer can check; the tests
run the tables of that page.
"""

from collections.abc import Iterable
from typing import Protocol

from projections.history import NO_ACCOUNT, Account, Contact, Said
from projections.levels import NEVER, Level, OwnGrants, of_account, of_former_account, own, void_until
from projections.membership import last_leaving, linked, linked_during
from projections.question import Question
from projections.reference_data import Reference
from schemas.decision import ALLOWING, Reason, Verdict


class Accounts(Protocol):
    """The histories of accounts by the name that the contact knows them by: a dict, or a copy that looks them up."""

    def get(self, name: str, missing: Account, /) -> Account:
        """What stands of an account; `missing` where it said nothing."""
        ...


def resolve(
    contact: Contact,
    accounts: Accounts,
    reference: Reference,
    question: Question,
    stale: bool = False,
) -> Verdict:
    """Whether the message of `question` may go out to `contact`.

    `accounts` holds the history of every account that the contact was ever in (one that is missing said nothing).
    `stale`: the copy that is asked is older than the policy allows for this purpose.
    """
    if reference.switches:
        halts = [halt.event_id for halt in reference.halts(question.at) if question.coverage[halt.scope]]
        if halts:
            return _verdict("halted", question, halts)
    if question.never_needs_consent:
        exempt = question.policy.exempt_from_sender_check(question.purpose)
        return _from_sender(_verdict("never_needs_consent", question), reference, question, exempt)
    if stale:
        return _verdict("stale", question)
    verdict = _by_preference(contact, accounts, question)
    return _from_sender(verdict, reference, question) if verdict.reason in ALLOWING else verdict


def _by_preference(contact: Contact, accounts: Accounts, question: Question) -> Verdict:
    """The most restrictive of all levels; then what holds; then what silence means."""
    void = void_until(contact.reassigned, question.at) if contact.reassigned else NEVER  # few numbers change hands
    mine = own(contact.said, void, question)
    if mine.revoked:
        return Verdict("revoked_by_number", question.label, tuple([said.event_id for said in mine.revoked]))
    theirs = _account_levels(contact, accounts, mine, question) if contact.accounts else []
    revoked = [said for level in theirs for said in level.revoked]
    if revoked:
        return _verdict("revoked_by_account", question, _ids(revoked))
    if contact.accounts or contact.holds:
        holds = _holds(contact, accounts, question)
        if holds:
            return _verdict("held_for_review", question, holds)
    return _with_nothing_revoked([mine, *theirs], question)


def _account_levels(contact: Contact, accounts: Accounts, mine: Level, question: Question) -> list[Level]:
    own_grants = OwnGrants(mine.granted)
    levels = []
    for name, spells in contact.accounts:
        said = accounts.get(name, NO_ACCOUNT).said
        if linked(spells, question.at):
            levels.append(of_account(said, spells, own_grants, question))
        elif left := last_leaving(spells, question.at):
            levels.append(of_former_account(said, spells, left, own_grants, question))
    return levels


def _holds(contact: Contact, accounts: Accounts, question: Question) -> list[str]:
    """Follow-ups that hold: the contact's own, and those of accounts it belonged to at any time while they are open."""
    held = [hold.event_id for hold in contact.holds if hold.open_at(question.at)]
    for name, spells in contact.accounts:
        for hold in accounts.get(name, NO_ACCOUNT).holds:
            if hold.open_at(question.at) and linked_during(spells, hold.opened, question.at):
                held.append(hold.event_id)
    return held


def _with_nothing_revoked(levels: list[Level], question: Question) -> Verdict:
    granted = [said for level in levels for said in level.granted]
    if granted:
        return _verdict("granted", question, _ids(granted))
    regime = question.policy.regime(question.purpose, question.channel, question.jurisdiction)
    if regime == "opt_out":
        return _verdict("permitted_by_policy", question)
    run_out = [said for level in levels for said in level.run_out]
    return _verdict("consent_expired" if run_out else "no_consent", question, _ids(run_out))


def _from_sender(verdict: Verdict, reference: Reference, question: Question, exempt: bool = False) -> Verdict:
    """The person must be able to answer: a sender that is unassigned or takes no reply does not pass."""
    if exempt or reference.sender_passes(question.sender, question.at, question.policy):
        return verdict
    return _verdict("sender_unreachable", question)


def _ids(statements: Iterable[Said]) -> list[str]:
    return [said.event_id for said in statements]


def _verdict(reason: Reason, question: Question, evidence: Iterable[str] = ()) -> Verdict:
    return Verdict(reason, question.label, tuple(evidence))
