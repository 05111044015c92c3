"""What one statement, of a contact itself or of an account, means for a contact: whether it counts, and why. Pure.

A statement counts as `docs/decision-table.md` has it: it stands, has not run out, and reaches the contact. Whether
a later one lifts it is another question, which only a message of a given scope has an answer to.
"""

from typing import Final, Literal, NamedTuple

from projections.history import Contact
from projections.membership import Moment, Spells, last_leaving, linked, linked_during, stayed
from schemas.policy import Basis, Policy
from schemas.times import DAY

Bearing = Literal[
    "own",
    "member",
    "before_joining",
    "former_member",
    "lifts_only",
    "corrected",
    "repeated",
    "run_out",
    "before_reassignment",
    "after_leaving",
    "never_a_member",
]
COUNTING: Final[frozenset[Bearing]] = frozenset({"own", "member", "before_joining", "former_member", "lifts_only"})


class Statement(NamedTuple):
    """What of a statement its bearing depends on: when it was said, and whether it is a no. A yes has a basis."""

    at: Moment
    until: int | None
    basis: Basis | None

    @property
    def revokes(self) -> bool:
        """Whether it is a no."""
        return self.basis is None


def of_own(said: Statement, contact: Contact, policy: Policy, at: int) -> Bearing:
    """Of a statement of the contact itself that stands, at a time."""
    if _has_run_out(said, policy, at):
        return "run_out"
    if not said.revokes and any(said.at.occurred <= moment <= at for moment in contact.reassigned):
        return "before_reassignment"
    return "own"


def of_account(said: Statement, spells: Spells, policy: Policy, at: int) -> Bearing:
    """Of a statement of an account that stands; `spells`: when the contact was in it, empty where it never was."""
    left = last_leaving(spells, at)
    is_member = linked(spells, at)
    if not is_member and left is None:
        return "never_a_member"
    if _has_run_out(said, policy, at):
        return "run_out"
    if not is_member and left and said.at.occurred > left.occurred and said.at.recorded_after(left):
        return "after_leaving"
    if said.revokes:
        return _of_revocation(said, spells, is_member)
    return _of_grant(said, spells, is_member, policy, at)


def of_hold(opened: int, resolved: int | None, spells: Spells, at: int) -> Bearing:
    """Of an account's follow-up that holds traffic: it holds whoever is a member at any time while it is open."""
    end = at if resolved is None else min(resolved - 1, at)
    return "member" if linked_during(spells, opened, end) else "never_a_member"


def _of_revocation(said: Statement, spells: Spells, is_member: bool) -> Bearing:
    if not is_member:
        return "former_member"
    return "member" if spells[0].joined <= said.at.occurred else "before_joining"


def _of_grant(said: Statement, spells: Spells, is_member: bool, policy: Policy, at: int) -> Bearing:
    """An account's yes is one for those that were in it then and have not left since; others it only frees."""
    occurred = said.at.occurred
    was_member = linked(spells, occurred)
    has_left = last_leaving(spells, occurred) is not None and not was_member
    if has_left:
        return "after_leaving"
    grants = was_member or policy.grants_reach_later_links
    return "member" if is_member and grants and stayed(spells, occurred, at) else "lifts_only"


def _has_run_out(said: Statement, policy: Policy, at: int) -> bool:
    if said.until is not None and at > said.until:
        return True
    days = policy.max_age_days.get(said.basis) if said.basis else None
    return days is not None and at > said.at.occurred + days * DAY
