"""The log of a ledger by itself: for who needs neither its secret nor the people in it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from consumers.bootstrap.embedded import open_log_alone
from consumers.settings import Settings
from ledger.log import Log


@contextmanager
def open_ledger_log(settings: Settings) -> Iterator[Log]:
    """The log, in its file or on its topic. Raises NotALedgerError, UnavailableError."""
    if settings.distributed:
        from consumers.bootstrap.distributed import open_log

        with closing(open_log(settings)) as topic:
            yield topic
        return
    with closing(open_log_alone(settings.ledger_path)) as file:
        yield file
