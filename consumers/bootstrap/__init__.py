"""Where a process starts: the only place that chooses adapters. Each file is one kind of process on one screen."""

from dataclasses import replace
from functools import partial

from consumers.bootstrap.decisions import open_decisions
from consumers.bootstrap.embedded import open_embedded, open_log_alone
from consumers.bootstrap.happenings import open_happenings
from consumers.bootstrap.opening import default_policy
from consumers.bootstrap.receipts import open_receipts
from consumers.bootstrap.sharing import open_sharing
from consumers.erasure import finish_erasures
from consumers.opened import Ledger
from consumers.settings import Settings

__all__ = [
    "default_policy",
    "open_decisions",
    "open_happenings",
    "open_ledger",
    "open_log_alone",
    "open_receipts",
    "open_sharing",
]


def open_ledger(settings: Settings) -> Ledger:
    """The ledger that the settings name. Finishes erasures that a crash cut short.

    Raises WrongSecretError, NotALedgerError, UnavailableError, InputError.
    """
    ledger = replace(_opened(settings), open_sharing=partial(open_sharing, settings))
    finish_erasures(ledger)
    return ledger


def _opened(settings: Settings) -> Ledger:
    if settings.distributed:
        from consumers.bootstrap.distributed import open_distributed  # its client takes a while to import

        return open_distributed(settings)
    return open_embedded(settings)
