"""What a gateway writes, as kafka-python's producers do: receipts, and records that could not be read."""

from collections.abc import Sequence

from ledger.adapters.kafka_client import end, explained, library, producer, said_of
from ledger.broker import Broker
from schemas.distributed import Receipt, RejectedEntry

WAIT_S = 5.0


class _Out:
    """One topic and a producer of its own; `_send` returns once the broker has everything."""

    def __init__(self, broker: Broker, topic: str, doing: str, **options: object) -> None:
        """Raises UnavailableError."""
        self._broker, self._topic, self._doing = broker, topic, doing
        with explained(broker, doing):
            self._producer = producer(broker, WAIT_S, **options)

    def _send(self, records: Sequence[tuple[bytes, bytes]], partition: int | None = None) -> list[int]:
        with explained(self._broker, self._doing):
            sent = [
                self._producer.send(self._topic, key=key, value=value, partition=partition) for key, value in records
            ]
        try:
            return [int(future.get(WAIT_S + 1).timestamp) for future in sent]
        except library().errors.KafkaError as error:
            raise said_of(error, self._broker, self._doing) from error

    def close(self) -> None:
        """Lets go of the broker; what was not acknowledged by now was not told."""
        end(self._producer)


class KafkaReceiptsOut(_Out):
    """The port `consumers.gateway.ports.Receipts`."""

    def __init__(self, broker: Broker) -> None:
        """Raises UnavailableError."""
        super().__init__(broker, broker.topics.receipts, "tell what is applied")

    def tell(self, receipt: Receipt) -> int:
        """Appends a receipt."""
        key = f"{receipt.gateway}/{receipt.process}".encode()
        [told_at] = self._send([(key, receipt.model_dump_json().encode())], partition=0)
        return told_at


class KafkaRejectedOut(_Out):
    """The port `consumers.gateway.ports.RejectedOut`."""

    def __init__(self, broker: Broker) -> None:
        """Raises UnavailableError."""
        super().__init__(broker, broker.topics.rejected, "set a record aside")

    def reject(self, entry: RejectedEntry) -> None:
        """Appends an entry, under its own key."""
        self._send([((entry.key or "").encode(), entry.model_dump_json(exclude_none=False).encode())])
