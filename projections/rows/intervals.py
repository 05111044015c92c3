"""What a subject itself had said of a scope, interval by interval: rows of `preference_history`. Pure.

Whether a statement counts and stands at a moment is asked of the same fold that decides (`projections/levels.py`), once
for each moment at which the answer may be another one.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from projections.history import Said, ScopeKey
from projections.levels import Level, own, void_until
from projections.question import Coverage, Question
from projections.reference_data import Reference
from projections.rows.flat import Row
from schemas.policy import Policy
from schemas.times import DAY

State = str
REVOKED, GRANTED, EXPIRED = "revoked", "granted", "expired"
SCOPES: Final = 10_000


class Interval(NamedTuple):
    """A time in which one statement decided: from `start`, inclusive, to `end`, exclusive (None: it still does)."""

    start: int
    end: int | None
    state: State
    said: Said


class Finding(NamedTuple):
    """What a level says of a scope at a moment: the state, the statement that decides, all that say the same."""

    state: State
    said: Said
    alike: Sequence[Said]


class Asking:
    """Questions about scopes under the policies that were or are in force; each policy and scope is read once."""

    def __init__(self, reference: Reference) -> None:
        self.reference, self.policies = reference, reference.policies
        self._questions: dict[tuple[int, ScopeKey], Question] = {}

    def question(self, scope: ScopeKey, at: int) -> Question:
        """What is asked of a scope at a moment (milliseconds)."""
        policy = self.reference.policy(at)
        key = id(policy), scope  # policies live as long as this does
        known = self._questions.get(key)
        if known is None:
            _brand, channel, purpose = scope
            known = self._questions[key] = Question(policy, at, coverage(scope), channel, purpose)
        return known.again(at, None)


def history_rows(
    subject: str, kind: str, said: Sequence[Said], reassigned: Sequence[int], asking: Asking
) -> Iterator[Row]:
    """The rows of one subject, scope by scope."""
    for scope in sorted({statement.scope for statement in said}):
        reaching = covering(said, scope)
        name = "/".join(scope)
        for start, end, state, decides in intervals(reaching, reassigned, asking, scope):
            recorded = decides.at.recorded
            yield (subject, name, start, end, kind, *scope, state, "own", decides.event_id, recorded)


def covering(said: Sequence[Said], scope: ScopeKey) -> Sequence[Said]:
    """Those of the statements that cover a scope."""
    cover = coverage(scope)
    return [statement for statement in said if cover[statement.scope]]


@lru_cache(SCOPES)
def coverage(scope: ScopeKey) -> Coverage:
    """Which scopes cover this one; few ever exist."""
    return Coverage(*scope)


def intervals(
    reaching: Sequence[Said], reassigned: Sequence[int], asking: Asking, scope: ScopeKey
) -> Iterator[Interval]:
    """The intervals that statements which cover a scope make, oldest first."""
    only = reaching[0] if len(reaching) == 1 else None
    if only and only.until is None and (only.revokes or not (reassigned or _ageing(asking.policies, reaching))):
        yield Interval(only.at.occurred, None, REVOKED if only.revokes else GRANTED, only)  # nearly all there is
        return
    sweep = _Sweep(reaching, reassigned, asking, scope)
    open_since, now = 0, None
    for at in sweep.moments():
        found = sweep.at(at, now)
        if _differs(found, now):
            if now is not None:
                yield Interval(open_since, at, now.state, now.said)
            open_since = at
        now = found
    if now is not None:
        yield Interval(open_since, None, now.state, now.said)


def _differs(found: Finding | None, now: Finding | None) -> bool:
    """Whether another interval begins; a yes that ran out may count again when another policy comes into force."""
    return found is not now and (found is None or now is None or found[:2] != now[:2])


class _Sweep:
    """Goes through the moments at which the answer may change, in order.

    Where nothing can run out or become void, what was lifted stays lifted, and grants lift nothing that is said after
    them: then only what stands is looked at again, so that ten thousand turns cost ten thousand looks.
    """

    def __init__(self, reaching: Sequence[Said], reassigned: Sequence[int], asking: Asking, scope: ScopeKey) -> None:
        self._reassigned = sorted(reassigned)
        self._policies = _ageing(asking.policies, reaching)
        self._is_plain = not reassigned and not self._policies and all(said.until is None for said in reaching)
        self._coming = sorted(reaching, key=lambda said: (said.at.occurred, said.at.offset), reverse=True)
        self._reached: list[Said] = []
        self._asking, self._scope = asking, scope

    def moments(self) -> list[int]:
        """Every one, in order."""
        said = self._coming
        first = said[-1].at.occurred if said else 0
        turns = {one.at.occurred for one in said}
        turns |= {one.until + 1 for one in said if one.until is not None}
        turns |= {at for at in self._reassigned if at > first}
        for policy in self._policies:
            turns |= {max(policy.effective_from, first)}
            turns |= {end + 1 for one in said if (end := _end_by_age(one, policy)) is not None}
        return sorted(turns)

    def at(self, at: int, before: Finding | None) -> Finding | None:
        """What is to be said at a moment; `before`: what was said at the one before it."""
        new = []
        while self._coming and self._coming[-1].at.occurred <= at:
            new.append(self._coming.pop())
        self._reached += new
        if self._is_plain and before is not None and _says_the_same(before.state, new):
            return before
        self._reached.sort(key=lambda said: said.at.offset)
        level = own(self._reached, void_until(self._reassigned, at), self._asking.question(self._scope, at))
        if self._is_plain:
            self._reached = [*level.revoked, *(() if level.revoked else level.granted[-1:])]
        return _kept(finding(level), before)


def finding(level: Level) -> Finding | None:
    """What a level says: the no that stands longest, else the last yes, else the last that ran out."""
    if level.revoked:
        return Finding(REVOKED, min(level.revoked, key=_order), level.revoked)
    if level.granted:
        return Finding(GRANTED, max(level.granted, key=_order), level.granted)
    if level.run_out:
        return Finding(EXPIRED, max(level.run_out, key=_order), level.run_out)
    return None


def ends(said: Said, policy: Policy) -> Iterator[int]:
    """The first moments at which a statement does not count any more: by its own end, by the age of its basis."""
    if said.until is not None:
        yield said.until + 1
    by_age = _end_by_age(said, policy)
    if by_age is not None:
        yield by_age + 1


def _order(said: Said) -> tuple[int, int, int]:
    return said.at.occurred, said.at.partition, said.at.offset


def _kept(found: Finding | None, before: Finding | None) -> Finding | None:
    """While what decided goes on saying so, it goes on deciding."""
    if found is None or before is None or found.state != before.state or before.said not in found.alike:
        return found
    return found._replace(said=before.said)


def _says_the_same(state: State, new: Sequence[Said]) -> bool:
    return all(said.revokes is (state == REVOKED) for said in new)


def _end_by_age(said: Said, policy: Policy) -> int | None:
    days = policy.max_age_days.get(said.basis) if said.basis else None  # type: ignore[call-overload]
    return None if days is None else int(said.at.occurred + days * DAY)


def _ageing(policies: list[Policy], reaching: Sequence[Said]) -> list[Policy]:
    """All policies, where one of them makes some of these statements run out by their age."""
    bases = {said.basis for said in reaching if said.basis}
    return policies if bases and any(bases.intersection(policy.max_age_days) for policy in policies) else []
