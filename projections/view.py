"""The port of the states: what every adapter promises, and what is asked of all of them in the same way.

`tests/contracts/view.py` holds every adapter to this.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from ledger.log import Position
from projections import history
from projections.fold import Part
from projections.reference_data import Reference
from projections.statement import Fields
from schemas.events import (
    OPERATOR_GATEWAYS,
    OPERATOR_INBOX,
    OPERATOR_LEDGER,
    OPERATOR_POLICY,
    OPERATOR_PROCEDURES,
    OPERATOR_SENDERS,
    OPERATOR_TRAFFIC,
)

OPERATOR_SUBJECTS = (
    OPERATOR_LEDGER,
    OPERATOR_POLICY,
    OPERATOR_PROCEDURES,
    OPERATOR_SENDERS,
    OPERATOR_TRAFFIC,
    OPERATOR_GATEWAYS,
    OPERATOR_INBOX,
)


class View(Protocol):
    """States by subject, all as of one watermark."""

    def parts(self, subject: str) -> Sequence[Fields]:
        """The parts of one subject's state in order; empty where nothing was recorded."""
        ...

    def watermark(self) -> Mapping[int, int]:
        """For each partition, up to which offset (exclusive) the states have applied it."""
        ...


class Rejected(NamedTuple):
    """A stored entry that is no event: set aside with its place and the reason, never dropped."""

    position: Position
    key: str
    reason: str


class Store(View, Protocol):
    """A view that a catch-up loop keeps current."""

    def write(
        self,
        parts: Mapping[str, Part],
        rejected: Sequence[Rejected],
        seen: Mapping[int, int],
        reached: Mapping[int, int],
    ) -> bool:
        """Stores parts by key, what was rejected and the watermark `reached`, in one atomic step.

        Does so only if the watermark still is `seen`; if another process has moved it, nothing is written and the
        answer is False.
        """
        ...

    def parts_of_many(self, subjects: Sequence[str]) -> dict[str, Sequence[Part]]:
        """For each of the subjects that has a state: its first and its last part, ready to be folded further."""
        ...

    def all_parts(self) -> Iterator[tuple[str, bytes]]:
        """Every part with its key, as stored, ordered by key."""
        ...

    def rejected(self) -> Sequence[Rejected]:
        """What was set aside."""
        ...


class Histories:
    """What the resolver reads, made from any view; each history is made once."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._accounts: dict[str, history.Account] = {}
        self.reference = Reference({subject: view.parts(subject) for subject in OPERATOR_SUBJECTS})

    def contact(self, ref: str) -> history.Contact:
        """What stands of a contact."""
        return history.contact(self._view.parts(ref))

    def account(self, ref: str) -> history.Account:
        """What stands of an account."""
        if ref not in self._accounts:
            self._accounts[ref] = history.account(self._view.parts(ref))
        return self._accounts[ref]

    def accounts_of(self, contact: history.Contact) -> dict[str, history.Account]:
        """What stands of every account that a contact was ever in."""
        return {name: self.account(name) for name, _ in contact.accounts}
