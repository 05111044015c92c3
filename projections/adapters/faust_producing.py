"""How results are written: a transactional producer for each ledger partition, and records in large batches."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.producer import sender

TRANSACTION_TIMEOUT_MS = 30_000
BATCH_BYTES = 900_000
REQUEST_BYTES = 1_048_576


class Producing(NamedTuple):
    """How the producers of a worker are made; its transactional ids begin with `prefix`."""

    prefix: str
    options: Mapping[str, Any]

    def producer(self, partition: int) -> AIOKafkaProducer:
        """A producer under the transactional id of a partition, not yet started: starting it fences off all others."""
        # Between two transactions aiokafka waits so long for the broker to finish the first; its 20 ms are more than
        # all the rest takes.
        sender.BACKOFF_OVERRIDE = 0.003
        return AIOKafkaProducer(
            transactional_id=f"{self.prefix}-{partition}", transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            acks="all", linger_ms=0, retry_backoff_ms=5, max_batch_size=BATCH_BYTES, max_request_size=REQUEST_BYTES,
            **self.options,
        )  # fmt: skip


async def send(producer: AIOKafkaProducer, topic: str, partition: int, items: Iterable[tuple[bytes, bytes]]) -> int:
    """Writes records, waits until all are stored, and returns the offset of the last."""
    now = time.time_ns() // 1_000_000
    stored: list[Any] = []
    builder = producer.create_batch()
    for key, value in items:
        if builder.append(timestamp=now, key=key, value=value) is None:
            stored.append(await producer.send_batch(builder, topic, partition=partition))
            builder = producer.create_batch()
            builder.append(timestamp=now, key=key, value=value)
    stored.append(await producer.send_batch(builder, topic, partition=partition))
    last = (await asyncio.gather(*stored))[-1]
    return int(last.offset) + int(builder.record_count()) - 1
