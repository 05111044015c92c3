"""Who can tell of a subject what the ledger does not: the decisions on record, and the receipts of gateways."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from consumers.bootstrap.decisions import open_decisions
from consumers.bootstrap.receipts import open_receipts
from consumers.decided import Decided
from consumers.happenings import Happenings
from consumers.in_force import InForce
from consumers.opened import Ledger


@contextmanager
def open_happenings(ledger: Ledger) -> Iterator[Sequence[Happenings]]:
    """All there are of a ledger. On one machine an event is in force once it is recorded. Raises UnavailableError."""
    with ExitStack() as stack:
        sources: list[Happenings] = [Decided(stack.enter_context(open_decisions(ledger.settings)))]
        if ledger.settings.distributed:
            sources.append(InForce(ledger.log, stack.enter_context(open_receipts(ledger.settings))))
        yield sources
