"""Read models from the first event on, beside the live ones, which they replace in one step at the end.

The events are folded first, in large batches; rows are made from the folded states in one go, and indexes after them:
a row is then made once, however many events it follows from. What was folded is kept turn by turn, so that a run that
is killed goes on; the rows of all subjects are one transaction.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

from consumers.projector.applying import MADE_WITH, asking_of, fold_in, remake_all, rules_changed
from consumers.projector.counting import count_anew
from consumers.projector.following import Projector, Telling, behind, lag_of, next_batch, offset_in, quiet
from ledger.errors import NotALedgerError
from ledger.log import Log
from ledger.record import system_clock
from projections.collecting import rarely
from projections.read_models import ReadModels, Turn

LARGE: Final = 10_000
"""Events a turn: bounds memory, and what a crash folds again."""
WORTH_IT: Final = 100_000
"""So many events are loaded beside and put in place at once, where there are no rows yet."""
ROWS: Final = "rows of all subjects"
CLOSE: Final = 5_000

Looking = Callable[[ReadModels], None]
"""Brings rows up that are made from something else than the ledger."""


def nothing_else(_models: ReadModels) -> None:
    """There is only the ledger."""


def load(
    ledger: Log, models: ReadModels, tell: Telling = quiet, clock: Callable[[], int] = system_clock,
    look: Looking = nothing_else,
) -> int:  # fmt: skip
    """Makes all rows anew and puts them in place; answers how many events they are made from.

    `look` brings in what does not come from the ledger, before the new rows are seen.
    Raises UnavailableError, after which it is to be repeated, and goes on where it was.
    """
    with closing(models.beside(MADE_WITH)) as new, rarely():
        fold_all(ledger, new, tell, clock)
        make_rows(new, clock())
        new.index()
        projector = Projector(ledger, new, tell, clock)
        while behind(new.positions(), ledger.ends()) > CLOSE:
            projector.once()
        look(new)
        models.take_over(new, lambda: _up_to(models, new, projector, look))
    return sum(place.offset for place in models.positions().values())


def _up_to(models: ReadModels, new: ReadModels, projector: Projector, look: Looking) -> None:
    """While no turn can go on in the live rows: readers never see a row less than before."""
    projector.once()
    look(new)
    live, beside = models.positions(), new.positions()
    if any(offset_in(beside, partition) < place.offset for partition, place in live.items()):
        raise NotALedgerError(
            "the ledger has fewer events than the read models were made from: it is another one, or an older copy; "
            "name an empty database"
        )


def is_worth_it(ledger: Log, models: ReadModels) -> bool:
    """Whether there are no rows yet, and many events."""
    return not models.positions() and sum(ledger.ends().values()) >= WORTH_IT


def fold_all(ledger: Log, new: ReadModels, tell: Telling, clock: Callable[[], int]) -> None:
    """Folds all that the ledger has, and notes of which accounts it speaks."""
    with new.turn() as turn:
        if turn.mark(ROWS) is not None:
            return
    ends = ledger.ends()
    while behind(seen := new.positions(), ends):
        with new.turn() as turn:
            batch, reached = next_batch(ledger, seen, ends, clock(), LARGE)
            _note(turn, fold_in(turn, batch).heard)
            turn.put_positions(reached)
        tell(len(batch), lag_of(seen | reached, ends, batch, clock()))


def _note(turn: Turn, heard: Mapping[str, int]) -> None:
    """When the ledger first spoke of accounts; the partitions are not read in the order of time."""
    first = turn.heard_of(heard)
    earlier = {name: at for name, at in heard.items() if at < first.get(name, at + 1)}
    turn.remove("accounts", "subject", earlier)
    turn.add("accounts", [(name, at, 0) for name, at in earlier.items()])


def make_rows(new: ReadModels, now: int) -> None:
    """Makes the rows of every subject from what was folded, in one transaction."""
    with new.turn() as turn:
        if turn.mark(ROWS) is not None:
            return
        at = max([now, *(place.recorded_at for place in turn.positions().values())])
        asking = asking_of(turn)
        rules_changed(turn, asking.reference, at)
        remake_all(turn, asking, at)
        count_anew(turn, turn.all_accounts(), {}, at)
        turn.put_mark(ROWS, "made")
