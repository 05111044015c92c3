"""Writing records to topics of the ledger: acknowledged by all replicas, or given up and said so."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from ledger.adapters.kafka_client import TIMEOUT, Client, end, explained, library, missing, producer, said_of
from ledger.adapters.kafka_entry import Headers
from ledger.broker import Broker
from ledger.errors import LedgerError, UnavailableError
from schemas.errors import InputError


class Record(NamedTuple):
    """A record to be written; `value` None is a tombstone; `timestamp` in milliseconds, by default now."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Headers = ()
    timestamp: int | None = None


class Stored(NamedTuple):
    """Where a record stands, and the time that the broker gave it."""

    partition: int
    offset: int
    timestamp: int


class KafkaWriter:
    """One idempotent producer, made when it is needed and made anew after an error. Safe to use from many threads."""

    def __init__(self, broker: Broker, wish: str, timeout: float = TIMEOUT) -> None:
        """`wish`: what is tried, for messages ("append to the ledger"). `timeout`: seconds until it is given up."""
        self._broker = broker
        self._wish = wish
        self._timeout = timeout
        self._lock = threading.Lock()
        self._producer: Client | None = None
        self._closed = False

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises NotALedgerError if there is no such topic, UnavailableError."""
        with explained(self._broker, self._wish):
            found = self._client().partitions_for(topic)
        if not found:
            raise missing(self._broker)
        return len(found)

    def write(self, records: Sequence[Record]) -> list[Stored | LedgerError | InputError]:
        """What becomes of each record; those of one partition are stored in order. Raises UnavailableError."""
        if not records:
            return []
        client = self._client()
        sent = []
        failed: LedgerError | InputError | None = None
        try:
            for topic, partition, key, value, headers, timestamp in records:
                sent.append(client.send(topic, value, key, list(headers), partition, timestamp))
        except library().errors.KafkaError as error:
            failed = said_of(error, self._broker, self._wish)
        results = [self._result(future) for future in sent]
        # After the first that could not even be handed over nothing was.
        results += [failed or UnavailableError("not reached")] * (len(records) - len(sent))
        if any(isinstance(result, Exception) for result in results):
            self._drop(client)
        return results

    def write_all(self, records: Sequence[Record]) -> list[Stored]:
        """As `write`, where all have to be stored. Raises the first error."""
        results = self.write(records)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [result for result in results if isinstance(result, Stored)]

    def _result(self, future: Client) -> Stored | LedgerError | InputError:
        try:
            stored = future.get(self._timeout + 5)
        except library().errors.KafkaError as error:
            return said_of(error, self._broker, self._wish)
        return Stored(stored.partition, stored.offset, stored.timestamp)

    def _client(self) -> Client:
        with self._lock:
            if self._closed:
                raise UnavailableError(f"the connection to {self._broker.name} is closed; open it again")
            if self._producer is None:
                with explained(self._broker, self._wish):
                    self._producer = producer(self._broker, self._timeout)
            return self._producer

    def _drop(self, client: Client) -> None:
        """After an error a new producer begins with a new sequence: the old one may wait for what never comes."""
        with self._lock:
            if self._producer is client:
                self._producer = None
        try:
            client.close(0)
        except library().errors.KafkaError:  # other threads wait for theirs: they are told, and repeat
            client._sender.force_close()

    def close(self) -> None:
        """Lets go of the broker. Repeatable."""
        with self._lock:
            client, self._producer, self._closed = self._producer, None, True
        if client:
            end(client, self._timeout)
