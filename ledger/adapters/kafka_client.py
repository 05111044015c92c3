"""kafka-python's clients for a ledger's broker, and what its errors mean to us.

The library is imported when the first client is made: it takes a third of a second, and warns of its own ways.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from ledger.broker import Broker
from ledger.errors import LedgerError, NoRoomError, NotALedgerError, UnavailableError
from schemas.errors import InputError

Client = Any
"""One of kafka-python's objects: it ships no types."""

TIMEOUT: Final = 12.0
"""Seconds until an entry that the broker has not acknowledged is given up."""
BOOTSTRAP_MS: Final = 5_000
MAX_MESSAGE: Final = 1_048_576
"""Bytes of the largest record that any topic takes (`max.message.bytes`)."""


def library() -> Client:
    """The package `kafka`, imported without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import kafka
        import kafka.admin
        import kafka.errors
    return kafka


def producer(broker: Broker, timeout: float = TIMEOUT, **options: object) -> Client:
    """An idempotent producer that waits for all replicas; an entry is acknowledged, or given up after `timeout`.

    Raises what `explained` says: wrap it.
    """
    milliseconds = int(timeout * 1000)
    said = {
        "acks": "all", "enable_idempotence": True, "compression_type": "lz4", "linger_ms": 0, "batch_size": 262_144,
        "max_request_size": MAX_MESSAGE, "request_timeout_ms": milliseconds // 2, "delivery_timeout_ms": milliseconds,
        "max_block_ms": BOOTSTRAP_MS, "bootstrap_timeout_ms": BOOTSTRAP_MS, "reconnect_backoff_max_ms": 1_000,
        "retry_backoff_ms": 20, "metrics_enabled": False, "allow_auto_create_topics": False,
    }  # fmt: skip
    return _made(library().KafkaProducer, **broker.options(), **said | options)


def end(made: Client, timeout: float = 1) -> None:
    """Closes a producer within some seconds; what the broker has not acknowledged by then is given up. Raises nothing.

    The library's own way waits for that first; where it waits in vain it raises, and leaves its thread running.
    """
    try:
        made.close(timeout)
    except library().errors.KafkaError:
        made._sender.force_close()
        made._closed = True


def consumer(broker: Broker, **options: object) -> Client:
    """A consumer of no group: partitions are assigned and positions kept by whoever asks. Wrap it in `explained`."""
    said = {
        "group_id": None, "enable_auto_commit": False, "auto_offset_reset": "none", "fetch_max_wait_ms": 10,
        "max_poll_records": 5_000, "max_partition_fetch_bytes": 4 * MAX_MESSAGE, "request_timeout_ms": 10_000,
        "bootstrap_timeout_ms": BOOTSTRAP_MS, "reconnect_backoff_max_ms": 1_000, "metrics_enabled": False,
        "allow_auto_create_topics": False,
    }  # fmt: skip
    return _made(library().KafkaConsumer, **broker.options(), **said | options)


def admin(broker: Broker) -> Client:
    """A client that makes and describes topics. Wrap it in `explained`."""
    said = {"bootstrap_timeout_ms": BOOTSTRAP_MS, "request_timeout_ms": 10_000, "reconnect_backoff_max_ms": 1_000}
    return _made(library().KafkaAdminClient, **broker.options(), **said)


def _made(kind: Client, **options: object) -> Client:
    """A client; where none can be made, nothing is left of it. kafka-python leaves a thread and its sockets behind,
    which whoever tries again for an hour cannot afford."""
    made: list[Client] = []
    net = import_module("kafka.net.compat").KafkaNetClient

    def client(**said: object) -> Client:
        made.append(net(**said))
        return made[-1]

    try:
        return kind(**options, kafka_client=client)
    except BaseException:
        for one in made:
            one.close()
        raise


@contextmanager
def explained(broker: Broker, wish: str) -> Iterator[None]:
    """Turns what kafka-python raises into the ledger's errors; `wish` is what was tried: "read the receipts"."""
    errors = library().errors
    try:
        yield
    except errors.KafkaError as error:
        raise said_of(error, broker, wish) from error
    except (OSError, AssertionError) as error:  # a certificate that is missing, a mechanism without its password
        raise UnavailableError(f"the broker {broker.name} cannot be reached to {wish}: {error}") from error


def said_of(error: Exception, broker: Broker, wish: str) -> LedgerError | InputError:
    """What one of kafka-python's errors means, and what to do about it."""
    errors = library().errors
    where = f"the broker {broker.name}"
    match error:
        case errors.KafkaStorageError() | errors.LogDirNotFoundError():
            return NoRoomError(
                f"{where} reports an error of its disk, asked to {wish}: nothing was acknowledged; see that it "
                "has room and repeat with the same key"
            )
        case errors.MessageSizeTooLargeError() | errors.RecordListTooLargeError():
            return InputError(f"a record is larger than {where} takes (max.message.bytes): nothing was written")
        case errors.AuthorizationError():
            return UnavailableError(
                f"{where} does not let this user {wish} ({_first(error)}): nothing was acknowledged; see the broker's "
                "ACLs (docs/operations.md)"
            )
        case errors.SaslAuthenticationFailedError() | errors.UnsupportedSaslMechanismError():
            return UnavailableError(f"{where} does not know this user ({_first(error)}): check PREFLEDGER_KAFKA_SASL_*")
        case errors.UnknownTopicOrPartitionError() | errors.UnknownTopicIdError():
            return missing(broker)
        case errors.NotEnoughReplicasError() | errors.NotEnoughReplicasAfterAppendError():
            return UnavailableError(
                f"{where} has fewer replicas in sync than min.insync.replicas: nothing was acknowledged; bring brokers "
                "back and repeat with the same key"
            )
    return UnavailableError(
        f"{where} cannot be reached to {wish} ({_first(error)}): nothing was acknowledged; see that it runs and "
        "repeat with the same key"
    )


def missing(broker: Broker) -> NotALedgerError:
    """There are no topics of ours at a broker."""
    return NotALedgerError(
        f"there is no topic {broker.topics.ledger} at {broker.name}; make the topics with prefledger topics create, "
        "or set PREFLEDGER_TOPICS_PREFIX to the one that yours begin with"
    )


def _first(error: Exception) -> str:
    """The name of an error and the start of what it says: brokers answer at length."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return said if len(said) <= 160 else type(error).__name__
