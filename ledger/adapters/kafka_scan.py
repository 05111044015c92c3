"""One partition of the ledger topic from its first record, as the broker has it now: for who checks the log."""

from collections.abc import Iterator
from contextlib import closing

from ledger.adapters.kafka_catch_up import STALLED
from ledger.adapters.kafka_entry import origins_of
from ledger.adapters.kafka_mirror import Raw
from ledger.adapters.kafka_source import KafkaSource
from ledger.broker import Broker
from ledger.errors import NotALedgerError, UnavailableError
from ledger.log import Position, Scanned

POLLS_WITHOUT_ANYTHING = int(STALLED * 10)


def scan(broker: Broker, topic: str, partition: int, end: int | None = None) -> Iterator[Scanned]:
    """The records up to, not including, offset `end` (now's end by default); `recorded_at` is their running maximum.

    Raises UnavailableError, and NotALedgerError where records are gone or say nonsense of where they came from.
    """
    recorded_at = 0
    with closing(KafkaSource(broker, topic, [partition])) as source:
        for raw in _raws(source, partition, min(source.ends()[partition], end if end is not None else 1 << 62)):
            recorded_at = max(recorded_at, raw.timestamp)
            position = Position(partition, raw.offset)
            try:
                was = origins_of(raw.headers)
            except ValueError:
                raise NotALedgerError(
                    f"the entry at {tuple(position)} of {topic} has a header that is damaged"
                ) from None
            yield raw.offset, recorded_at, raw.key, raw.value, was


def _raws(source: KafkaSource, partition: int, end: int) -> Iterator[Raw]:
    reached = silent = 0
    while reached < end:
        fetched = source.fetch({partition: reached})
        silent = 0 if fetched else silent + 1
        if silent > POLLS_WITHOUT_ANYTHING:
            raise UnavailableError(
                f"nothing more of {source.name} has come for {STALLED:g} s; see that its broker runs"
            )
        for part in fetched:
            reached = part.end
            yield from (raw for raw in part.records if raw.offset < end)
