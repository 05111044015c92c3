"""What holds now for a contact in a scope, over all levels: rows of `current_preferences`. Pure.

The levels are those of the gate (`projections/levels.py`), asked about the scope itself: what covers it, counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from projections.history import NO_ACCOUNT, Account, Contact, Said, ScopeKey
from projections.levels import Level, OwnGrants, of_account, of_former_account, own, void_until
from projections.membership import Spells, last_leaving, linked
from projections.question import Question
from projections.rows.flat import Row
from projections.rows.intervals import EXPIRED, GRANTED, REVOKED, Asking, Finding, State, coverage, ends, finding

STRENGTH: tuple[State, ...] = (REVOKED, GRANTED, EXPIRED)


class AtLevel(NamedTuple):
    """What one level says; `subject` is the contact, or the account whose level it is."""

    name: str
    subject: str
    level: Level


def current_rows(
    subject: str, kind: str, contact: Contact, accounts: Mapping[str, Account], asking: Asking, at: int
) -> tuple[list[Row], int | None]:
    """The rows of one contact as of a moment (milliseconds); `accounts`: those it was ever in.

    And when a scope that has no row may come to have one, because a yes that lifts a no runs out; None for never.
    What was said, or joined, only later makes no row, and changes none: so it is as it was, also of a moment long ago.
    """
    every: list[Sequence[Said]] = [contact.said]
    every += [accounts.get(name, NO_ACCOUNT).said for name, spells in contact.accounts if _had_joined(spells, at)]
    rows: list[Row] = []
    coming: list[int] = []
    for scope in sorted({said.scope for some in every for said in some if said.at.occurred <= at}):
        question = asking.question(scope, at)
        decided = _decided(_levels(subject, contact, accounts, question))
        changes_at = _changes_at(every, scope, question)
        if decided is not None:
            by, (state, said, _) = decided
            decides = (state, by.name, by.subject, said.event_id, said.at.occurred)
            rows.append((subject, "/".join(scope), kind, *scope, *decides, changes_at))
        elif changes_at is not None:
            coming.append(changes_at)
    return rows, min(coming, default=None)


def _levels(subject: str, contact: Contact, accounts: Mapping[str, Account], question: Question) -> Iterator[AtLevel]:
    """The contact's own level first, then one for each account that it is in or left, as the gate has them."""
    at = question.at
    mine = own(contact.said, void_until(contact.reassigned, at), question)
    yield AtLevel("own", subject, mine)
    grants = OwnGrants(mine.granted)
    for name, spells in contact.accounts:
        said = accounts.get(name, NO_ACCOUNT).said
        if not said:
            continue
        if linked(spells, at):
            yield AtLevel("account", name, of_account(said, spells, grants, question))
        elif left := last_leaving(spells, at):
            yield AtLevel("former", name, of_former_account(said, spells, left, grants, question))


def _decided(levels: Iterator[AtLevel]) -> tuple[AtLevel, Finding] | None:
    """The most restrictive wins: a no of any level, else a yes, else one that ran out; of equals the nearest."""
    found = [(by, said) for by in levels if (said := finding(by.level)) is not None]
    return min(found, key=lambda one: STRENGTH.index(one[1].state), default=None)


def _had_joined(spells: Spells, at: int) -> bool:
    return any(spell.joined <= at for spell in spells)


def _changes_at(every: Sequence[Sequence[Said]], scope: ScopeKey, question: Question) -> int | None:
    cover, at = coverage(scope), question.at
    counts = (said for some in every for said in some if cover[said.scope] and said.at.occurred <= at)
    coming = [end for said in counts for end in ends(said, question.policy)]
    return min((end for end in coming if end > at), default=None)
