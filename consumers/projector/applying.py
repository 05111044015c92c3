"""One turn of the projector: events are folded, and the rows of whom they touch are made anew, with the positions.

A crash before its end leaves what was there before, one after it leaves all of it: nothing is lost and nothing doubled.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from consumers.projector.counting import Moved, count_anew, count_days, count_on, members
from ledger.log import Recorded
from projections import history
from projections.catch_up import events_in
from projections.fold import Part, fold, key_of, to_fields
from projections.history import Account
from projections.read_models import Place, ReadModels, Turn, chunked
from projections.reference_data import Reference
from projections.rows.days import Days, begun, day_rows
from projections.rows.flat import Row, clean, event_row
from projections.rows.intervals import Asking
from projections.rows.made import CONTACTS, Rows, Told, add_current_rows, add_own_rows, told
from projections.statement import Fields
from projections.view import Rejected
from schemas.events import OPERATOR_POLICY, OPERATOR_SENDERS

AT_ONCE: Final = 5_000
"""For how many subjects rows are made between two writes; bounds memory where an account has very many members."""
MADE_WITH: Final = "rows 4"
"""Goes up whenever rows are made otherwise: what another program made, or began, is made anew."""
RULES: Final = "rules"
"""The mark of the rules by which the rows were made: this program's, and the policy's."""
OWN: Final = ("preference_history", "account_numbers", "follow_ups")


@dataclass(slots=True)
class Touched:
    """What a batch is about: the states as they are after it, and when an account was first heard of in it."""

    states: dict[str, list[Part]] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)

    def of(self, kinds: Sequence[str]) -> set[str]:
        """The subjects of some kinds."""
        return {name for name, parts in self.states.items() if parts and parts[0].kind in kinds}


def apply(
    models: ReadModels, batch: Sequence[Recorded], seen: Mapping[int, Place], reached: Mapping[int, Place], now: int
) -> bool:
    """Folds a batch, which goes on where `seen` ends, and notes the places that it reached.

    Does nothing and answers False where another process has moved the positions meanwhile. `now`: milliseconds.
    """
    with models.turn() as turn:
        if turn.positions() != dict(seen):
            return False
        touched = fold_in(turn, batch)
        at = max([now, *(place.recorded_at for place in reached.values())])
        remake(turn, touched, at)
        turn.put_positions(reached)
    return True


def fold_in(turn: Turn, batch: Iterable[Recorded]) -> Touched:
    """Folds a batch into the states and adds its events; what follows from the states is left to be made."""
    touched = Touched(turn.states_of({recorded.key for recorded in batch}))
    changed: dict[str, Part] = {}
    events: list[Row] = []
    rejected: list[Rejected] = []
    for recorded, event in events_in(batch, rejected):
        parts = touched.states.setdefault(event["subject"], [])
        for part in fold(parts[0], parts[-1], recorded, event) if parts else fold(None, None, recorded, event):
            parts[part.part : part.part + 1] = [part]
            changed[key_of(part)] = part
        events.append(event_row(recorded, event))
        _hear(touched.heard, event, recorded.recorded_at)
    turn.put_states(changed)
    turn.add("events", events)
    turn.add("rejected", [(*one.position, clean(one.reason)) for one in rejected])
    return touched


def _hear(heard: dict[str, int], event: Fields, at: int) -> None:
    account = event["subject"] if event["kind"] == "account" else event.get("account")
    if account is not None:
        heard[account] = min(at, heard.get(account, at))


def remake(turn: Turn, touched: Touched, at: int) -> None:
    """Makes the rows of touched subjects anew, and of all whose preference follows from theirs."""
    asking = asking_of(turn)
    if rules_changed(turn, asking.reference, at):
        remake_all(turn, asking, at)
        count_anew(turn, turn.all_accounts() | touched.heard.keys(), touched.heard, at)
        return
    contacts, due = touched.of(CONTACTS), turn.due(at)
    affected = contacts | turn.members_of(touched.of(("account",))) | due
    before, moved = turn.memberships(affected), Moved()
    known, belongs = _remake_own(turn, touched.states, asking)
    after = before | {name: belongs.get(name, []) for name in contacts}
    for some in chunked(affected, AT_ONCE):
        made = _current(turn, some, known, asking, at)
        rows = made["current_preferences"]
        was = turn.leave("current_preferences", "subject", some, rows).before
        turn.leave("coming_changes", "subject", some, made["coming_changes"])
        moved.subtract(members({name: before.get(name, ()) for name in some}, was))
        moved.update(members({name: after.get(name, ()) for name in some}, rows))
    count_on(turn, touched.heard.keys() | turn.accounts_of(due), moved, touched.heard, at)


def _current(turn: Turn, some: Sequence[str], known: Mapping[str, Told], asking: Asking, at: int) -> Rows:
    contacts = [known[name] for name in some if name in known]
    contacts += map(told, turn.read_states([name for name in some if name not in known]).values())
    rows: Rows = defaultdict(list)
    add_current(turn, rows, contacts, asking, at)
    return rows


def asking_of(turn: Turn) -> Asking:
    """Questions under the policies, and with the senders, as they are folded now."""
    return Asking(Reference(turn.read_states((OPERATOR_POLICY, OPERATOR_SENDERS))))


def rules_changed(turn: Turn, reference: Reference, at: int) -> bool:
    """Whether rows follow other rules of policy than when they were made; notes the ones in force at a moment."""
    policy = reference.policy(at)
    ages = [(one.effective_from, one.max_age_days) for one in reference.policies]
    some = ages if any(days for _, days in ages) else []  # one without ages ends those of the one before it
    rules = orjson.dumps(
        [MADE_WITH, policy.number_lifts_account, policy.grants_reach_later_links, policy.max_age_days, some]
    )
    if turn.mark(RULES) == rules.decode():
        return False
    turn.put_mark(RULES, rules.decode())
    return True


def all_known(turn: Turn, many: int) -> Iterator[list[Told]]:
    """Every subject's state, so many at a time."""
    last = ""
    while subjects := turn.subjects_after(last, many):
        last = subjects[-1]
        yield [told(parts) for parts in turn.read_states(subjects).values()]


def remake_all(turn: Turn, asking: Asking, at: int) -> None:
    """Makes the rows of every subject from the states, but for the counts of accounts."""
    for table in (*OWN, "history_by_day", "current_preferences", "coming_changes", "senders"):
        turn.clear(table)
    days = Days()
    for known in all_known(turn, AT_ONCE):
        rows: Rows = defaultdict(list)
        for one in known:
            add_own_rows(rows, one, asking)
        add_current(turn, rows, [one for one in known if one.kind in CONTACTS], asking, at)
        for table, made in rows.items():
            turn.add(table, made)
        days.update(begun(rows["preference_history"]))
    turn.add("history_by_day", day_rows(days))


def _remake_own(
    turn: Turn, states: Mapping[str, list[Part]], asking: Asking
) -> tuple[dict[str, Told], dict[str, list[str]]]:
    """Answers what was told of the subjects, and which accounts each of them belongs to now."""
    known = {name: told([to_fields(part) for part in parts]) for name, parts in states.items() if parts}
    rows: Rows = defaultdict(list)
    for one in known.values():
        add_own_rows(rows, one, asking)
    left = {table: turn.leave(table, "subject", states.keys(), rows[table]) for table in OWN}
    count_days(turn, left["preference_history"])
    if OPERATOR_SENDERS in states:
        turn.clear("senders")
        turn.add("senders", rows["senders"])
    belongs: dict[str, list[str]] = {}
    for subject, account, _joined, left, _kind in rows["account_numbers"]:
        if left is None:
            belongs.setdefault(subject, []).append(account)
    return known, belongs


def add_current(turn: Turn, rows: Rows, contacts: Sequence[Told], asking: Asking, at: int) -> None:
    """Adds what holds for contacts now, over the accounts that they were ever in."""
    named = {name for one in contacts for name, _spells in one.contact.accounts}
    accounts: dict[str, Account] = {name: history.account(parts) for name, parts in turn.read_states(named).items()}
    add_current_rows(rows, contacts, accounts, asking, at)
