"""`current_preferences` as they were: folded anew from the states, since the table keeps only what holds now.

The states are short histories, so the fold that makes the table's rows can be asked about any time
(`projections/rows/current.py`): what was said by then, by who was a member then, under the policy of then.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from consumers.projector.applying import reference_of
from projections import history
from projections.fold import to_fields
from projections.read_models import Turn
from projections.rows.flat import Row
from projections.rows.made import CONTACTS, Rows, add_current_rows, named_accounts

AT_ONCE: Final = 2_000


def preferences_as_of(turn: Turn, at: int) -> Iterator[Sequence[Row]]:
    """All rows as of a moment in milliseconds, so many contacts at a time."""
    reference, last = reference_of(turn), ""
    while subjects := turn.subjects_after(last, AT_ONCE):
        last = subjects[-1]
        states = turn.states_of(subjects).values()
        contacts = [[to_fields(part) for part in parts] for parts in states if parts[0].kind in CONTACTS]
        named: set[str] = set().union(*map(named_accounts, contacts))
        accounts = {
            name: history.account([to_fields(part) for part in parts]) for name, parts in turn.states_of(named).items()
        }
        rows: Rows = {"current_preferences": []}
        add_current_rows(rows, contacts, accounts, reference, at)
        yield rows["current_preferences"]
