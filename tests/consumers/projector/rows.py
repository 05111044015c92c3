"""All rows as a fold of the log from its first event makes them, in memory; and all rows as a database has them."""

import json
from collections import Counter, defaultdict
from typing import Any

import sqlalchemy as sa

from ledger.log import Log
from projections import history
from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_models import READ_MODELS
from projections.catch_up import events_in
from projections.rebuilt import Rebuilt
from projections.reference_data import Reference
from projections.rows.coverage import Alike, coverage_rows
from projections.rows.flat import event_row
from projections.rows.intervals import Asking
from projections.rows.made import CONTACTS, Rows, add_current_rows, add_own_rows, told
from projections.rows.subjects import sender_rows
from projections.view import Rejected
from schemas.events import OPERATOR_POLICY, OPERATOR_SENDERS
from schemas.times import DAY

COMPARED = set(READ_MODELS.tables) - {"positions", "marks", "enforcement", "decisions"}


def stored(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """What stands in the tables, in a stable order; `positions` and what comes from elsewhere left out."""
    engine = engine_of(url)
    with engine.connect() as connection:
        found = {name: _ordered(_plain(row) for row in connection.execute(sa.select(READ_MODELS.tables[name])))
                 for name in COMPARED}  # fmt: skip
    engine.dispose()
    return found


def expected(log: Log, at: int) -> dict[str, list[tuple[Any, ...]]]:
    """What must stand there as of a moment."""
    view, rows = Rebuilt(log), defaultdict(list)
    rows["states"] = [*view.all_parts()]
    subjects = [key for key, _ in rows["states"] if "#" not in key]
    states = {subject: list(view.parts(subject)) for subject in subjects}
    reference = Reference({name: states.get(name, ()) for name in (OPERATOR_POLICY, OPERATOR_SENDERS)})
    asking = Asking(reference)
    every = [told(parts) for parts in states.values()]
    for one in every:
        add_own_rows(rows, one, asking)
    contacts = [one for one in every if one.kind in CONTACTS]
    accounts = {name: history.account(parts) for name, parts in states.items() if parts[0]["kind"] == "account"}
    add_current_rows(rows, contacts, accounts, asking, at)
    assert rows["senders"] == list(sender_rows(reference))
    heard = _log_rows(log, rows)
    _counts(rows, heard, at)
    rows["history_by_day"] = [(*key, many) for key, many in Counter(map(_day_of, rows["preference_history"])).items()]
    return {name: _ordered(rows[name]) for name in COMPARED}


def _day_of(row: tuple[Any, ...]) -> tuple[Any, ...]:
    _subject, scope, start, _end, kind, *paths, state, _level, _event_id, _recorded_at = row
    return (start // DAY * DAY, kind, scope, *paths, state)


def _log_rows(log: Log, rows: Rows) -> dict[str, int]:
    heard: dict[str, int] = {}
    for partition in log.ends():
        rejected: list[Rejected] = []
        for recorded, event in events_in(log.read(partition), rejected):
            rows["events"].append(event_row(recorded, event))
            account = event["subject"] if event["kind"] == "account" else event.get("account")
            if account:
                heard[account] = min(recorded.recorded_at, heard.get(account, recorded.recorded_at))
        rows["rejected"] += [(*one.position, one.reason) for one in rejected]
    return heard


def _counts(rows: Rows, heard: dict[str, int], at: int) -> None:
    held = defaultdict(list)
    for subject, scope, _kind, _brand, _channel, _purpose, state, *_ in rows["current_preferences"]:
        held[subject].append((scope, state))
    for account, first in heard.items():
        members = [row[0] for row in rows["account_numbers"] if row[1] == account and row[3] is None]
        mine = [row for row in rows["preference_history"] if row[0] == account and row[8] == "revoked"]
        since = {row[1]: row[2] for row in mine if row[2] <= at and (row[3] is None or row[3] > at)}
        groups = Counter(tuple(sorted(held[member])) for member in members)
        rows["accounts"].append((account, first, len(members)))
        rows["account_groups"] += [(account, json.dumps(held, separators=(",", ":")), n) for held, n in groups.items()]
        if members:
            rows["account_coverage"] += coverage_rows(account, since, [Alike(*group) for group in groups.items()])


def _plain(row: sa.Row[Any]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def _ordered(rows: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
    return sorted(map(tuple, rows), key=repr)
