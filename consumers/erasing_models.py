"""Erasure in the read models: masked numbers go, rows by reference stay, since they name nobody.

The database may be away while the ledger is there, and no opt-out may wait for it. So a mark in the data folder stays
until it was done, which `erase` tries at once, and `doctor` by the marks and by the events of the log.
"""

from collections.abc import Collection
from contextlib import closing

from consumers.marks import make_mark, marks_in
from consumers.opened import Ledger
from schemas.errors import InputError

MARKS = "erasing-read-models"


def begin_in_models(ledger: Ledger, ref: str) -> None:
    """Notes that the read models have still to be rid of somebody; nothing where there are none.

    A setting that names no database hinders nobody's opt-out: it is told of by whoever finishes. UnavailableError.
    """
    try:
        are_there = ledger.open_sharing() is not None
    except InputError:
        are_there = True
    if are_there:
        make_mark(ledger.settings.home / MARKS, ref)


def finish_in_models(ledger: Ledger, refs: Collection[str]) -> int:
    """Removes what the read models show of these references beside their rows; returns how many rows went.

    Repeatable. Raises UnavailableError and others of the database; the marks stay then.
    """
    sharing = ledger.open_sharing()
    removed = 0
    if sharing is not None and refs:
        with closing(sharing):
            removed = sharing.erase(refs)
    for ref in refs:
        (ledger.settings.home / MARKS / ref).unlink(missing_ok=True)
    return removed


def unfinished(ledger: Ledger) -> set[str]:
    """References that the read models of this machine have still to be rid of."""
    return {mark.name for mark in marks_in(ledger.settings.home / MARKS)}
