"""Who can tell of a subject what the ledger does not: the receipts of gateways, where there are some."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from consumers.bootstrap.receipts import open_receipts
from consumers.happenings import Happenings
from consumers.in_force import InForce
from consumers.opened import Ledger


@contextmanager
def open_happenings(ledger: Ledger) -> Iterator[Sequence[Happenings]]:
    """All there are of a ledger. On one machine an event is in force once it is recorded. Raises UnavailableError."""
    if not ledger.settings.distributed:
        yield ()
        return
    with open_receipts(ledger.settings) as receipts:
        yield (InForce(ledger.log, receipts),)
