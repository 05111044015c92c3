"""What is counted of the rows is kept by difference: the members of accounts by what they hold, the history by day.

What a turn does to one number costs as much as its accounts have kinds of members, not as they have members: an
account of a hundred thousand numbers is a handful of counts, and stays one while its numbers change one by one. A day
of a million changes is a row for each scope.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

import orjson

from ledger.errors import NotALedgerError
from projections.read_models import Left, Turn, chunked
from projections.rows.coverage import Alike, Held, coverage_rows
from projections.rows.days import begun, day_rows
from projections.rows.flat import Row

AT_ONCE: Final = 5_000
KINDS_KNOWN: Final = 10_000
WRITTEN_BY_OTHERS: Final = (
    "Somebody else has written to the read models: make them anew with prefledger projector replay"
)
Moved = Counter[tuple[str, str]]
"""By account and what its members hold (as `account_groups` has it): how many more they have become."""
Groups = dict[str, dict[str, int]]
"""For each account, by what they hold: how many members it has."""


def members(belongs: Mapping[str, Iterable[str]], current: Iterable[Row]) -> Moved:
    """Counts contacts by account and by what they hold. `current`: all their rows of `current_preferences`."""
    held = defaultdict(list)
    for subject, scope, _kind, _brand, _channel, _purpose, state, *_ in current:
        held[subject].append((scope, state))
    counted: Moved = Counter()
    for subject, accounts in belongs.items():
        counted.update((account, _written(sorted(held.get(subject, ())))) for account in accounts)
    return counted


def count_anew(turn: Turn, accounts: Iterable[str], heard: Mapping[str, int], at: int) -> None:
    """Counts all members of accounts; `heard`: when a batch first speaks of accounts."""

    def groups(names: Collection[str]) -> Groups:
        return {name: {_written(one.held): one.members for one in alike} for name, alike in turn.members_alike(names)}

    _count(turn, accounts, groups, heard, at)


def count_on(turn: Turn, accounts: Iterable[str], moved: Moved, heard: Mapping[str, int], at: int) -> None:
    """Goes on from what was counted before; `accounts`: those whose own opt-outs may have changed."""
    by_account: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for (account, held), more in moved.items():
        if more:
            by_account[account].append((held, more))

    def groups(names: Collection[str]) -> Groups:
        counted: Groups = {name: {} for name in names}
        for account, held, many in turn.rows("account_groups", "account", names):
            counted[account][held] = many
        for name in names:
            for held, more in by_account.get(name, ()):
                counted[name][held] = counted[name].get(held, 0) + more
        return counted

    _count(turn, by_account.keys() | set(accounts), groups, heard, at)


def _count(
    turn: Turn, accounts: Iterable[str], counted: Callable[[Collection[str]], Groups], heard: Mapping[str, int], at: int
) -> None:
    for names in chunked(accounts, AT_ONCE):
        groups, first, since = counted(names), turn.heard_of(names), turn.opted_out(names, at)
        rows: dict[str, list[Row]] = {"accounts": [], "account_groups": [], "account_coverage": []}
        for name in names:
            own = {held: many for held, many in groups.get(name, {}).items() if many}
            if any(many < 0 for many in own.values()):
                raise NotALedgerError(f"fewer than no members of the account {name} are left. {WRITTEN_BY_OTHERS}")
            rows["accounts"].append((name, _earlier(name, first, heard), sum(own.values())))
            rows["account_groups"] += [(name, held, many) for held, many in own.items()]
            rows["account_coverage"] += _coverage(name, since.get(name, {}), own)
        turn.leave("accounts", "subject", names, rows["accounts"])
        turn.leave("account_groups", "account", names, rows["account_groups"])
        turn.leave("account_coverage", "account", names, rows["account_coverage"])


def count_days(turn: Turn, history: Left) -> None:
    """Goes on from what was counted before, by what a turn has changed in `preference_history`."""
    moved = begun(history.came)
    moved.subtract(begun(history.gone))
    days = {key[0] for key, more in moved.items() if more}
    if not days:
        return
    moved.update({(*key,): many for *key, many in turn.rows("history_by_day", "day", days)})
    if any(many < 0 for many in moved.values()):
        raise NotALedgerError(f"fewer than no changes of a day are left. {WRITTEN_BY_OTHERS}")
    turn.leave("history_by_day", "day", days, day_rows(moved))


def _coverage(account: str, since: dict[str, int], own: Mapping[str, int]) -> Iterator[Row]:
    return coverage_rows(account, since, [Alike(_read(held), many) for held, many in own.items()]) if own else iter(())


def _earlier(account: str, *times: Mapping[str, int]) -> int:
    return min(known[account] for known in times if account in known)


def _written(held: Iterable[tuple[str, str]]) -> str:
    return orjson.dumps(list(held)).decode()


@lru_cache(KINDS_KNOWN)
def _read(held: str) -> Held:
    return tuple((scope, state) for scope, state in orjson.loads(held))
