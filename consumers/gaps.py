"""Coverage: contacts that could still be sent to although they must not, asked of the gate's copy against the log.

The expectation is folded from the log's first event; the answers come from the copy that the gate decides from. A copy
that lost, missed or misread a change shows here, whatever its own records say.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from projections.history import Account, Contact
from projections.membership import linked
from projections.question import Coverage, Question
from projections.rebuilt import Rebuilt
from projections.resolve import resolve
from projections.view import Histories
from schemas.decision import Verdict
from schemas.policy import Policy

Message = tuple[str, str, str]
"""Brand, channel, purpose."""

Ask = Callable[[str, Question], Verdict]
"""What the gate's copy answers for a contact, by reference."""


class Uncovered(NamedTuple):
    """The log denies it because of a revocation, the gate's copy would let it out."""

    contact: str
    message: Message
    expected: str
    got: str
    evidence: tuple[str, ...]


class Partial(NamedTuple):
    """An account of which some contacts opted out themselves and others can still be sent to."""

    account: str
    messages: tuple[Message, ...]
    opted_out: tuple[str, ...]
    reachable: tuple[str, ...]


class Coverages:
    """Every message that the policy knows and that needs consent, as questions at one time."""

    def __init__(self, policy: Policy, at: int) -> None:
        self.questions: dict[Message, Question] = {}
        for brand in policy.brands:
            for channel in policy.channels:
                for purpose in policy.purposes:
                    if not policy.never_needs_consent(purpose):
                        coverage = Coverage(brand, channel, purpose)
                        self.questions[brand, channel, purpose] = Question(policy, at, coverage, channel, purpose)

    def under_a_no(self, contact: Contact, accounts: Iterable[Account]) -> list[tuple[Message, Question]]:
        """The messages that some revocation of the contact or of its accounts covers; the others cannot be gaps."""
        said = [*contact.said, *(said for account in accounts for said in account.said)]
        return [
            (message, question)
            for message, question in self.questions.items()
            if any(statement.revokes and question.coverage[statement.scope] for statement in said)
        ]


def uncovered(rebuilt: Rebuilt, ask: Ask, at: int) -> Iterator[Uncovered]:
    """Contacts that the gate's copy lets through against a revocation in force at a time (milliseconds)."""
    histories = Histories(rebuilt)
    coverages = Coverages(histories.reference.policy(at), at)
    for ref in rebuilt.contacts():
        contact = histories.contact(ref)
        accounts = histories.accounts_of(contact)
        for message, question in coverages.under_a_no(contact, accounts.values()):
            expected = resolve(contact, accounts, histories.reference, question)
            if expected.reason in ("revoked_by_number", "revoked_by_account"):
                got = ask(ref, question)
                if got.allowed:
                    yield Uncovered(ref, message, expected.reason, got.reason, expected.evidence)


def partial(rebuilt: Rebuilt, at: int) -> Iterator[Partial]:
    """Accounts in which a part of the contacts opted out themselves while others can still be sent to."""
    histories = Histories(rebuilt)
    coverages = Coverages(histories.reference.policy(at), at)
    for account, refs in sorted(_members(rebuilt, histories, at).items()):
        contacts = {ref: histories.contact(ref) for ref in refs}
        found = _split(contacts, histories, coverages)
        if found:
            out = sorted({ref for opted_out, _ in found.values() for ref in opted_out})
            reachable = sorted({ref for _, still in found.values() for ref in still})
            yield Partial(account, tuple(found), tuple(out), tuple(reachable))


def _members(rebuilt: Rebuilt, histories: Histories, at: int) -> dict[str, list[str]]:
    """Which contacts each account has at a time; accounts of one contact cannot be split."""
    members: dict[str, list[str]] = {}
    for ref in rebuilt.contacts():
        for account, spells in histories.contact(ref).accounts:
            if linked(spells, at):
                members.setdefault(account, []).append(ref)
    return {account: refs for account, refs in members.items() if len(refs) > 1}


def _split(
    contacts: dict[str, Contact], histories: Histories, coverages: Coverages
) -> dict[Message, tuple[list[str], list[str]]]:
    """For each message that divides the contacts: those that opted out themselves, those still sent to."""
    said = tuple(said for contact in contacts.values() for said in contact.said)
    found = {}
    for message, question in coverages.under_a_no(Contact(said=said), ()):
        verdicts = {
            ref: resolve(contact, histories.accounts_of(contact), histories.reference, question)
            for ref, contact in contacts.items()
        }
        out = [ref for ref, verdict in verdicts.items() if verdict.reason == "revoked_by_number"]
        reachable = [ref for ref, verdict in verdicts.items() if verdict.allowed]
        if out and reachable:
            found[message] = (out, reachable)
    return found
