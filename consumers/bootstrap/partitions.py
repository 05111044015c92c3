"""Whether a ledger's topic has as many partitions as the ledger was opened with."""

from ledger.adapters.kafka_scan import scan
from ledger.broker import Broker
from ledger.errors import NotALedgerError
from schemas.encoding import UnreadableEvent, decode
from schemas.events import OPERATOR_LEDGER, LedgerOpened
from schemas.topics import partition_of


def must_be_as_opened(broker: Broker, partitions: int) -> None:
    """Raises NotALedgerError where somebody gave the topic more: most subjects would be looked for where they are not.

    The first entry of a ledger that was moved says how many there were elsewhere; of such a one nothing is known here,
    nor of topics that do not begin as a ledger does. Raises UnavailableError.
    """
    topic = broker.topics.ledger
    for *_, value, moved_from in scan(broker, topic, partition_of(OPERATOR_LEDGER, partitions), 1):
        opened = _opened(value)
        if opened and not moved_from and opened.partitions != partitions:
            raise NotALedgerError(
                f"the topic {topic} has {partitions} partitions, and the ledger was opened with {opened.partitions}: "
                "stop whatever writes and restore the topics; more partitions are a new version (docs/kafka.md)"
            )


def _opened(value: bytes) -> LedgerOpened | None:
    try:
        event = decode(value)
    except UnreadableEvent:
        return None
    return event if isinstance(event, LedgerOpened) else None
