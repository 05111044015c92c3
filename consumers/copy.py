"""What a gate decides from: a copy of the states that can be asked in memory, and knows how old it is."""

from collections.abc import Mapping
from threading import Lock
from typing import Protocol

from projections.history import NO_ACCOUNT, Account, Contact
from projections.question import Question
from projections.reference_data import Reference
from projections.resolve import Accounts, resolve
from projections.view import Histories, View
from schemas.decision import Verdict


class Copy(Protocol):
    """States of contacts and accounts, and the operator's, all as of one watermark."""

    @property
    def reference(self) -> Reference:
        """Policies, senders, the stop switch. Another object whenever any of it has changed."""
        ...

    @property
    def lock(self) -> Lock:
        """Held while a decision is made, so that all it reads is as of one watermark; not to be taken twice."""
        ...

    @property
    def accounts(self) -> Accounts:
        """What stands of an account, by the name that this copy's contacts know it by."""
        ...

    def contact(self, digest: bytes) -> Contact:
        """What stands of the contact with this reference (16 bytes)."""
        ...

    def watermark(self) -> Mapping[int, int]:
        """For each partition, up to which offset (exclusive) the copy has applied it. Not to be changed."""
        ...

    def staleness_s(self) -> float:
        """How many seconds ago the copy was last known to hold everything that was in the ledger."""
        ...


def answer(copy: Copy, digest: bytes, question: Question, stale: bool = False) -> Verdict:
    """What the rules say, from a copy, of a message to the contact with this reference (16 bytes)."""
    return resolve(copy.contact(digest), copy.accounts, copy.reference, question, stale)


class ViewCopy:
    """A view as a copy: always as fresh as the view itself, at the cost of one read a contact."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.lock = Lock()
        self._histories = Histories(view)
        self.reference = self._histories.reference
        self.accounts: Accounts = _OfHistories(self._histories)

    def contact(self, digest: bytes) -> Contact:
        """What stands of a contact."""
        return self._histories.contact(digest.hex())

    def watermark(self) -> Mapping[int, int]:
        """The view's."""
        return self._view.watermark()

    def staleness_s(self) -> float:
        """None: what a view says is asked of it at that moment."""
        return 0.0


class _OfHistories:
    def __init__(self, histories: Histories) -> None:
        self._histories = histories

    def get(self, name: str, _missing: Account = NO_ACCOUNT, /) -> Account:
        return self._histories.account(name)
