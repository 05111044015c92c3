"""What the projector brings into the read models from elsewhere than the ledger."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from consumers.bootstrap.decisions import open_decisions
from consumers.bootstrap.receipts import open_receipts
from consumers.projector import decisions, enforcement
from consumers.projector.aside import Look, Looks
from consumers.settings import Settings
from ledger.log import Log
from projections.read_models import ReadModels

RECEIPTS_EVERY_S = 2.0
DECISIONS_EVERY_S = 60.0


@contextmanager
def open_looks(
    settings: Settings, ledger: Log, models: ReadModels, is_asked_to_end: Callable[[], bool] = lambda: False
) -> Iterator[Looks]:
    """The looks there are; on one machine no gateway has a copy that it would tell of.

    Raises UnavailableError.
    """
    looks: dict[Look, float] = {}
    with ExitStack() as opened:
        if settings.distributed:
            receipts = opened.enter_context(open_receipts(settings))
            looks[partial(enforcement.look, ledger, receipts, models)] = RECEIPTS_EVERY_S
        looks[partial(_count_decisions, settings, models, is_asked_to_end)] = DECISIONS_EVERY_S
        yield looks


def _count_decisions(settings: Settings, models: ReadModels, is_asked_to_end: Callable[[], bool]) -> None:
    if settings.distributed or settings.decisions_path.exists():  # to open the file would make it
        with open_decisions(settings) as made:
            decisions.look(made, models, is_asked_to_end)


def look_once(settings: Settings, ledger: Log, models: ReadModels) -> None:
    """Until nothing is left that could be known now. Raises UnavailableError."""
    with open_looks(settings, ledger, models) as looks:
        for look in looks:
            while look():
                pass
