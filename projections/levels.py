"""One level at a time: which revocations of a contact, of an account, of an account it left stand. Pure.

`docs/decision-table.md` says the same in words; its table is run by the tests.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from projections.history import Said
from projections.membership import Moment, Spells, had_left, stayed
from projections.question import Question

NEVER = -1


class Level(NamedTuple):
    """What a level says of a message: revocations that stand, grants that count, grants that have run out."""

    revoked: Sequence[Said] = ()
    granted: Sequence[Said] = ()
    run_out: Sequence[Said] = ()


class OwnGrants:
    """A contact's grants that count, ready to be asked whether one of them lifts an account's revocation.

    One lifts it that occurred and was recorded after all that is named: the revocation and, for an account that
    the contact left, the leaving. In the order of the log, with the latest occurrence from each place on, so that
    an account of thousands of statements costs a binary search each.
    """

    def __init__(self, grants: Sequence[Said]) -> None:
        self._moments = [grant.at for grant in grants]
        self._latest = [NEVER] * (len(grants) + 1)
        for place in range(len(grants) - 1, -1, -1):
            self._latest[place] = max(self._latest[place + 1], grants[place].at.occurred)

    def lift(self, *earlier: Moment) -> bool:
        """Whether some grant occurred and was recorded after all of `earlier`."""
        if not self._moments:
            return False
        place = max(self._first_recorded_after(moment) for moment in earlier)
        return self._latest[place] > max(moment.occurred for moment in earlier)

    def _first_recorded_after(self, moment: Moment) -> int:
        if moment.partition == self._moments[0].partition:
            return bisect_right(self._moments, moment.offset, key=lambda grant: grant.offset)
        return bisect_right(self._moments, moment.recorded, key=lambda grant: grant.recorded)


def void_until(reassigned: Iterable[int], at: int) -> int:
    """When a number last changed hands by a moment: what was granted up to then counts for nobody any more."""
    return max((moment for moment in reassigned if moment <= at), default=NEVER)


def own(said: Iterable[Said], void_until: int, question: Question) -> Level:
    """The contact's own level; grants that occurred up to its last reassignment are void."""
    counting: list[Said] = []
    run_out: list[Said] = []
    has_grant = False
    for statement in said:
        if question.reaches(statement) and (statement.revokes or statement.at.occurred > void_until):
            (counting if question.in_time(statement) else run_out).append(statement)
            has_grant = has_grant or not statement.revokes
    if not has_grant:
        return Level(counting)  # most contacts that say anything say no, once
    granted = [statement for statement in counting if not statement.revokes]
    return Level(_unlifted(counting, lambda _grant: True), granted, [said for said in run_out if not said.revokes])


def of_account(said: Iterable[Said], spells: Spells, own_grants: OwnGrants, question: Question) -> Level:
    """The level of an account that the contact belongs to."""
    reaching = [statement for statement in said if question.reaches(statement)]
    counting = [statement for statement in reaching if question.in_time(statement)]
    standing = _unlifted(counting, lambda grant: not had_left(spells, grant.at.occurred))
    if question.policy.number_lifts_account:
        standing = [revocation for revocation in standing if not own_grants.lift(revocation.at)]
    grants = [said for said in reaching if not said.revokes and _grants(said, spells, question)]
    in_time = [grant for grant in grants if question.in_time(grant)]
    return Level(standing, in_time, [grant for grant in grants if not question.in_time(grant)])


def of_former_account(
    said: Iterable[Said], spells: Spells, left: Moment, own_grants: OwnGrants, question: Question
) -> Level:
    """The level of an account that the contact left: it can only deny, and is lifted revocation by revocation."""
    counting = [
        statement
        for statement in said
        if question.reaches(statement)
        and question.in_time(statement)
        and not (statement.at.occurred > left.occurred and statement.at.recorded_after(left))
    ]
    standing = _unlifted(counting, lambda grant: not had_left(spells, grant.at.occurred))
    after_leaving = () if question.policy.number_lifts_account else (left,)
    return Level([revocation for revocation in standing if not own_grants.lift(revocation.at, *after_leaving)])


def _unlifted(counting: Sequence[Said], lifts: Callable[[Said], bool]) -> list[Said]:
    """The revocations that no grant lifts which both occurred and was recorded after them (equal times: none does)."""
    latest, standing = NEVER, []
    for statement in reversed(counting):  # later in the log is recorded after, within one subject
        if not statement.revokes:
            if statement.at.occurred > latest and lifts(statement):
                latest = statement.at.occurred
        elif statement.at.occurred >= latest:
            standing.append(statement)
    standing.reverse()
    return standing


def _grants(grant: Said, spells: Spells, question: Question) -> bool:
    """Whether an account's grant grants to this contact: linked when it occurred, and not left since."""
    occurred, at = grant.at.occurred, question.at
    if not stayed(spells, occurred, at):
        return False
    if question.policy.grants_reach_later_links:
        return not had_left(spells, occurred)
    return any(spell.joined <= occurred and (spell.left is None or occurred < spell.left.occurred) for spell in spells)
