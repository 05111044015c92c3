"""When a contact belonged to an account, from links, unlinks and reassignments. Pure.

Links are facts, not counts: what was last said of a moment holds from it on; where a link and an unlink fall on one
moment the link stays; an unlink of what was not linked is no leaving (`docs/decision-table.md`, rules 3 to 5).
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple


class Moment(NamedTuple):
    """An event on both clocks: when it occurred and how it stands to others in the log."""

    occurred: int
    recorded: int
    partition: int
    offset: int

    def recorded_after(self, other: "Moment") -> bool:
        """A higher offset in the same partition, or a strictly later time of record in another."""
        if self.partition == other.partition:
            return self.offset > other.offset
        return self.recorded > other.recorded


class Move(NamedTuple):
    """A contact joined an account, or left it."""

    joins: bool
    at: Moment

    @property
    def occurred(self) -> int:
        """When, in milliseconds."""
        return self.at.occurred


class Spell(NamedTuple):
    """A time for which a contact belonged to an account: from `joined`, inclusive, to `left`, exclusive."""

    joined: int
    left: Moment | None


Spells = tuple[Spell, ...]


def spells(moves: Sequence[Move]) -> Spells:
    """The spells that the moves of one contact and one account make, oldest first."""
    if len(moves) == 1:  # who joined once and stayed, as most do
        return (Spell(moves[0].at.occurred, None),) if moves[0].joins else ()
    found: list[Spell] = []
    joined: int | None = None
    for occurred, group in groupby(sorted(moves, key=attrgetter("occurred")), key=attrgetter("occurred")):
        together = list(group)
        if any(move.joins for move in together):
            joined = occurred if joined is None else joined
        elif joined is not None:
            left = min((move.at for move in together), key=attrgetter("offset"))
            found.append(Spell(joined, left))
            joined = None
    return (*found, Spell(joined, None)) if joined is not None else tuple(found)


def linked(spells: Spells, at: int) -> bool:
    """Whether the contact belongs to the account at a time."""
    # Asked of every statement of an account: a generator would take twice as long.
    for joined, left in spells:  # noqa: SIM110
        if joined <= at and (left is None or at < left.occurred):
            return True
    return False


def last_leaving(spells: Spells, at: int) -> Moment | None:
    """The last time, up to `at`, that the contact left the account."""
    last = None
    for _joined, left in spells:
        if left is not None and left.occurred <= at:
            last = left
    return last


def had_left(spells: Spells, at: int) -> bool:
    """Whether the contact is, at a time, one that left and did not come back."""
    return last_leaving(spells, at) is not None and not linked(spells, at)


def stayed(spells: Spells, since: int, until: int) -> bool:
    """Whether the contact did not leave after `since`, up to and at `until`."""
    return not any(spell.left is not None and since < spell.left.occurred <= until for spell in spells)


def linked_during(spells: Spells, start: int, end: int) -> bool:
    """Whether the contact belonged to the account at any moment from `start` to `end`, both inclusive."""
    return any(spell.joined <= end and (spell.left is None or spell.left.occurred > start) for spell in spells)
