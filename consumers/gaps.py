"""Coverage: contacts that could still be sent to although they must not, asked of the gates' copies against the log.

The expectation is folded from the log's first event; the answers come from a copy that a gate decides from. A copy
that lost, missed or misread a change shows here, whatever its own records say.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from projections.history import Account, Contact
from projections.question import Coverage, Question
from projections.rebuilt import Rebuilt
from projections.resolve import resolve
from projections.view import Histories
from schemas.decision import Reason
from schemas.policy import Policy

Message = tuple[str, str, str]
"""Brand, channel, purpose."""

REVOKED: Final[frozenset[Reason]] = frozenset({"revoked_by_number", "revoked_by_account"})
TOGETHER: Final = 1_000
"""How many questions are put at once."""


class Denied(NamedTuple):
    """A message that must not go out because of a revocation: to whom (by reference), and the events behind it.

    `account`: the account, by reference, that a customer database has the contact in and the ledger was never told of.
    """

    contact: str
    message: Message
    question: Question
    expected: Reason
    evidence: tuple[str, ...]
    account: str | None = None


class Got(NamedTuple):
    """What a gate's copy says of a message."""

    allowed: bool
    reason: str


Ask = Callable[[Sequence[Denied]], Sequence[Got | None]]
"""Puts questions to a gate's copy, and gives its answers in order; None where it cannot be asked about a contact."""


class Uncovered(NamedTuple):
    """It must not go out, and the gate's copy would let it."""

    denied: Denied
    got: Got


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


def denied(rebuilt: Rebuilt, at: int) -> Iterator[Denied]:
    """All that the log denies because of a revocation in force at a time (milliseconds)."""
    histories = Histories(rebuilt)
    coverages = Coverages(histories.reference.policy(at), at)
    for ref in rebuilt.contacts():
        contact = histories.contact(ref)
        accounts = histories.accounts_of(contact)
        for message, question in coverages.under_a_no(contact, accounts.values()):
            verdict = resolve(contact, accounts, histories.reference, question)
            if verdict.reason in REVOKED:
                yield Denied(ref, message, question, verdict.reason, verdict.evidence)


class Asked:
    """What came of asking: the gaps one by one, and how many questions could not be put."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.unasked: set[str] = set()
        """Contacts, by reference, that the copy could not be asked about."""

    def uncovered(self, expected: Iterable[Denied]) -> Iterator[Uncovered]:
        """What must not go out and would. Raises as what is asked does."""
        rest = iter(expected)
        while some := list(islice(rest, TOGETHER)):
            for one, got in zip(some, self._ask(some), strict=True):
                if got is None:
                    self.unasked.add(one.contact)
                elif got.allowed:
                    yield Uncovered(one, got)
