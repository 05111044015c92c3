"""States as the resolver reads them: what stands of a contact, of an account, of the operator's. Pure.

A history is made once from the parts of a state and asked many times; all times in milliseconds.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from projections.membership import Moment, Move, Spells, spells
from projections.standing import standing
from projections.statement import Fields
from schemas.scope import EVERYTHING

ScopeKey = tuple[str, str, str]


class Said(NamedTuple):
    """A statement that stands: a revocation, or a grant with its basis."""

    revokes: bool
    scope: ScopeKey
    at: Moment
    until: int | None
    basis: str | None
    event_id: str


class Hold(NamedTuple):
    """A follow-up that holds traffic, from its opening to its resolution, exclusive."""

    opened: int
    resolved: int | None
    event_id: str

    def open_at(self, at: int) -> bool:
        """Whether it holds at a time."""
        return self.opened <= at and (self.resolved is None or at < self.resolved)


class Account(NamedTuple):
    """What stands of an account: its statements in the order of the log, and what holds its traffic."""

    said: tuple[Said, ...] = ()
    holds: tuple[Hold, ...] = ()


class Contact(NamedTuple):
    """What stands of a contact: as an account's, and the accounts it belonged to, and when it changed hands."""

    said: tuple[Said, ...] = ()
    holds: tuple[Hold, ...] = ()
    accounts: tuple[tuple[str, Spells], ...] = ()
    reassigned: tuple[int, ...] = ()


NO_CONTACT = Contact()
NO_ACCOUNT = Account()
STATEMENTS = {"PreferenceRevoked", "PreferenceGranted"}


def entries(parts: Iterable[Fields]) -> list[Fields]:
    """The entries of a state's parts, in the order of the log."""
    return [entry for part in parts for entry in part["entries"]]


def contact(parts: Sequence[Fields]) -> Contact:
    """The history of a contact; an empty one where nothing was ever recorded."""
    if not parts:
        return NO_CONTACT
    partition, stands = parts[0]["partition"], standing(entries(parts))
    return Contact(
        _said(stands, partition),
        _holds(stands),
        tuple(_accounts(stands, partition)),
        tuple(entry["occurred_at"] for entry in stands if entry["type"] == "NumberReassigned"),
    )


def account(parts: Sequence[Fields]) -> Account:
    """The history of an account; an empty one where nothing was ever recorded."""
    if not parts:
        return NO_ACCOUNT
    stands = standing(entries(parts))
    return Account(_said(stands, parts[0]["partition"]), _holds(stands))


def scope_key(entry: Fields) -> ScopeKey:
    """Brand, channel and purpose that an entry is about; a path that another writer left out is everything."""
    said = entry["scope"].get
    return said("brand", EVERYTHING), said("channel", EVERYTHING), said("purpose", EVERYTHING)


def moment(entry: Fields, partition: int) -> Moment:
    """An entry on both clocks."""
    return Moment(entry["occurred_at"], entry["recorded_at"], partition, entry["offset"])


def _said(stands: Sequence[Fields], partition: int) -> tuple[Said, ...]:
    return tuple(
        Said(
            entry["type"] == "PreferenceRevoked",
            scope_key(entry),
            moment(entry, partition),
            entry.get("valid_until"),
            entry.get("basis"),
            entry["event_id"],
        )
        for entry in stands
        if entry["type"] in STATEMENTS
    )


def _holds(stands: Sequence[Fields]) -> tuple[Hold, ...]:
    resolved: dict[str, int] = {}
    for entry in stands:
        if entry["type"] == "FollowUpResolved":
            name, at = entry["follow_up"], entry["occurred_at"]
            resolved[name] = min(at, resolved.get(name, at))
    return tuple(
        Hold(entry["occurred_at"], resolved.get(entry["event_id"]), entry["event_id"])
        for entry in stands
        if entry["type"] == "FollowUpOpened" and entry["holds"]
    )


def _accounts(stands: Sequence[Fields], partition: int) -> Iterable[tuple[str, Spells]]:
    """For each account the contact was ever in, its spells; a reassignment is a leaving of all of them."""
    moves: dict[str, list[Move]] = {}
    leavings = []
    for entry in stands:
        if entry["type"] in ("ContactLinked", "ContactUnlinked"):
            move = Move(entry["type"] == "ContactLinked", moment(entry, partition))
            moves.setdefault(entry["account"], []).append(move)
        elif entry["type"] == "NumberReassigned":
            leavings.append(Move(False, moment(entry, partition)))
    for name in sorted(moves):
        found = spells(moves[name] + leavings)
        if found:
            yield name, found
