"""How far the opt-outs of an account and of its members reach: rows of `account_coverage`. Pure.

What a member's scopes say is in its rows of `current_preferences`; members of the same scopes and states are counted
together, so that an account of a hundred thousand numbers is a handful of counts.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from projections.rows.flat import Row
from projections.rows.intervals import REVOKED
from schemas.scope import covers

Held = tuple[tuple[str, str], ...]
"""Scope and state of each row that a member has, in order of the scopes."""


class Alike(NamedTuple):
    """So many members of an account have just these rows."""

    held: Held
    members: int


def coverage_rows(account: str, since: dict[str, int], groups: Sequence[Alike]) -> Iterator[Row]:
    """The rows of one account. `since`: in which scopes it is opted out itself, and since when."""
    members = sum(group.members for group in groups)
    asked = {scope for group in groups for scope, state in group.held if state == REVOKED}
    for scope in sorted(asked.union(since)):
        covered = sum(group.members for group in groups if _is_revoked(group.held, scope))
        if scope in since or covered > 0:
            yield (account, scope, *scope.split("/"), since.get(scope), members, covered, members - covered)


def _is_revoked(held: Held, scope: str) -> bool:
    """By the member's own row of the scope; without one, by the narrowest of its rows that cover it."""
    covering = [(wide, state) for wide, state in held if _covers(wide, scope)]
    narrowest = [
        state for wide, state in covering if not any(other != wide and _covers(wide, other) for other, _ in covering)
    ]
    return REVOKED in narrowest


def _covers(wide: str, narrow: str) -> bool:
    return all(covers(one, other) for one, other in zip(wide.split("/"), narrow.split("/"), strict=True))
