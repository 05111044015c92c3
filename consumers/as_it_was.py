"""`current_preferences` as they were: folded anew from the states, since the table keeps only what holds now.

The states are short histories, so the fold that makes the table's rows can be asked about any time
(`projections/rows/current.py`): what was said by then, by who was a member then, under the policy of then.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from consumers.projector.applying import add_current, all_known, asking_of
from projections.read_models import Turn
from projections.rows.flat import Row
from projections.rows.made import CONTACTS, Rows

AT_ONCE: Final = 2_000


def preferences_as_of(turn: Turn, at: int) -> Iterator[Sequence[Row]]:
    """All rows as of a moment in milliseconds, so many contacts at a time."""
    asking = asking_of(turn)
    for known in all_known(turn, AT_ONCE):
        rows: Rows = defaultdict(list)
        add_current(turn, rows, [one for one in known if one.kind in CONTACTS], asking, at)
        yield rows["current_preferences"]
