"""The topics of a ledger as every start has to find them."""

from contextlib import closing

from ledger.adapters.kafka_scan import scan
from ledger.adapters.kafka_topics import Described, KafkaTopics
from ledger.broker import Broker
from ledger.errors import NotALedgerError
from schemas.encoding import UnreadableEvent, decode
from schemas.events import OPERATOR_LEDGER, LedgerOpened
from schemas.topics import partition_of


def checked_topics(broker: Broker, even_if_moved: bool = False) -> dict[str, Described]:
    """All of them, found right, with as many partitions as the ledger was opened with.

    Raises NotALedgerError, UnavailableError.
    """
    with closing(KafkaTopics(broker)) as topics:
        there = topics.check(even_if_moved=even_if_moved)
    _must_be_as_opened(broker, there[broker.topics.ledger].partitions)
    return there


def _must_be_as_opened(broker: Broker, partitions: int) -> None:
    """Raises NotALedgerError where somebody gave the topic more: most subjects would be looked for where they are not.

    The first entry of a ledger that was moved says how many there were elsewhere; of such a one nothing is known here,
    nor of topics that do not begin as a ledger does: `verify` finds what is missing there. Raises UnavailableError.
    """
    topic = broker.topics.ledger
    opened = _opened(broker, partition_of(OPERATOR_LEDGER, partitions))
    if opened and opened.partitions != partitions:
        raise NotALedgerError(
            f"the topic {topic} has {partitions} partitions, and the ledger was opened with {opened.partitions}: "
            "stop whatever writes and restore the topics; more partitions are a new version (docs/kafka.md)"
        )


def _opened(broker: Broker, partition: int) -> LedgerOpened | None:
    try:
        *_, value, moved_from = next(scan(broker, broker.topics.ledger, partition, 1))
        event = decode(value)
    except (StopIteration, NotALedgerError, UnreadableEvent):
        return None
    return event if isinstance(event, LedgerOpened) and not moved_from else None
