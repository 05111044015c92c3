"""Where decisions on real sends are on record."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from consumers.settings import Settings
from ledger.decisions import Decisions


@contextmanager
def open_decisions(settings: Settings) -> Iterator[Decisions]:
    """The decision log that belongs to a ledger. Raises NotALedgerError, UnavailableError."""
    if settings.distributed:
        from ledger.adapters.kafka_decisions import KafkaDecisions

        with closing(KafkaDecisions(settings.broker())) as topic:
            yield topic
        return
    from ledger.adapters.sqlite_decisions import SqliteDecisions

    with closing(SqliteDecisions(settings.decisions_path)) as file:
        yield file
