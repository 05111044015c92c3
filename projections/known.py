"""What stood of subjects as known at any moment of the past, for questions about many moments.

Each subject's events are read once, and each history that they made by a moment is made once; both are forgotten when
many others were asked for since.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from ledger.log import Log, Recorded
from projections import history
from projections.catch_up import events_in
from projections.fold import Part, fold_upon, to_fields
from projections.history import NO_ACCOUNT, Account, Contact
from projections.reference_data import Reference
from projections.statement import Fields
from schemas.events import OPERATOR_POLICY, OPERATOR_SENDERS, OPERATOR_TRAFFIC

MANY: Final = 4_096
OPERATORS: Final = (OPERATOR_POLICY, OPERATOR_SENDERS, OPERATOR_TRAFFIC)
"""What an answer depends on besides preferences."""
Made = TypeVar("Made")


class Told(NamedTuple):
    """All events of one subject in the order of the log, and where and when each was recorded."""

    entries: tuple[tuple[Recorded, Fields], ...]
    partition: int
    offsets: tuple[int, ...]
    times: tuple[int, ...]

    def parts(self, many: int) -> list[Fields]:
        """The parts of the state that the first so many of them make."""
        parts: list[Part] = []
        for recorded, event in self.entries[:many]:
            fold_upon(parts, recorded, event)
        return [to_fields(part) for part in parts]


Cut = Callable[[Told], int]
"""A moment of the log: how many of a subject's events, from the first on, were known at it."""


def up_to(watermark: Mapping[int, int]) -> Cut:
    """What had been applied at a watermark."""
    return lambda told: bisect_left(told.offsets, watermark.get(told.partition, 0))


def before(at: int) -> Cut:
    """What had been recorded before a time (milliseconds)."""
    return lambda told: bisect_left(told.times, at)


class Latest(OrderedDict[Hashable, Made], Generic[Made]):
    """What was made last, by key."""

    def get_or(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What was made for a key; made now where it was not, or is forgotten."""
        if key in self:
            self.move_to_end(key)
            return self[key]
        made = self[key] = make()
        if len(self) > MANY:
            self.popitem(last=False)
        return made


class Known:
    """Histories of any subject as known at any moment. Ask it about no moment after it was made."""

    def __init__(self, log: Log, operators: Sequence[str] = OPERATORS) -> None:
        """`operators`: which of the operator's subjects the answers shall depend on."""
        self._log = log
        self._operators = operators
        self._told: Latest[Told] = Latest()
        self._contacts: Latest[Contact] = Latest()
        self._accounts: Latest[Account] = Latest()
        self._references: Latest[Reference] = Latest()

    def told(self, subject: str) -> Told:
        """All that was ever recorded of a subject."""
        return self._told.get_or(subject, lambda: _told(self._log, subject))

    def contact(self, ref: str, cut: Cut) -> Contact:
        """What stood of a contact."""
        told = self.told(ref)
        many = cut(told)
        return self._contacts.get_or((ref, many), lambda: history.contact(told.parts(many)))

    def account(self, ref: str, cut: Cut) -> Account:
        """What stood of an account."""
        told = self.told(ref)
        many = cut(told)
        return self._accounts.get_or((ref, many), lambda: history.account(told.parts(many)))

    def accounts(self, cut: Cut) -> "AccountsKnown":
        """All accounts, for the resolver."""
        return AccountsKnown(self, cut)

    def reference(self, cut: Cut) -> Reference:
        """Policies, senders and the stop switch."""
        told = {subject: self.told(subject) for subject in self._operators}
        many = {subject: cut(each) for subject, each in told.items()}
        return self._references.get_or(
            tuple(many.values()),
            lambda: Reference({subject: each.parts(many[subject]) for subject, each in told.items()}),
        )


class AccountsKnown:
    """The port `projections.resolve.Accounts`."""

    def __init__(self, known: Known, cut: Cut) -> None:
        self._known, self._cut = known, cut

    def get(self, name: str, _missing: Account = NO_ACCOUNT, /) -> Account:
        """What stood of an account; of one that had said nothing, nothing."""
        return self._known.account(name, self._cut)


def _told(log: Log, subject: str) -> Told:
    entries = tuple(events_in(log.read_subject(subject), []))
    places = [recorded.position for recorded, _ in entries]
    return Told(
        entries,
        places[0].partition if places else 0,
        tuple(place.offset for place in places),
        tuple(recorded.recorded_at for recorded, _ in entries),
    )
