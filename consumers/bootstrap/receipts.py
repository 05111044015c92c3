"""Where confirmations read what the gateways told."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from consumers.confirm import NoReceipts, Receipts
from consumers.settings import Settings


@contextmanager
def open_receipts(settings: Settings) -> Iterator[Receipts]:
    """The receipts of a distributed ledger; none on one machine. Raises UnavailableError."""
    if not settings.distributed:
        yield NoReceipts()
        return
    from consumers.adapters.kafka_receipts import KafkaReceipts

    with closing(KafkaReceipts(settings.broker())) as receipts:
        yield receipts
