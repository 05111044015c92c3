"""A connection that the broker has closed says so in the words that aiokafka listens for, under uvloop too.

Writing to a closed connection is an OSError or nothing in asyncio, and a RuntimeError in uvloop, which aiokafka 0.14
does not catch (its issue 1038, open). It ends the task that keeps the cluster's description fresh, for ever: whoever
looks for the group's coordinator then waits without end, and a worker neither folds on nor can be stopped.
"""

import functools
from collections.abc import Callable

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

from projections.adapters.faust_batch import Foreign

WRITERS = ("send", "_send_sasl_token")
"""Every method of a connection that writes to it."""


def register() -> None:
    """Makes all connections of this process report a closed one as KafkaConnectionError."""
    for name in WRITERS:
        method = getattr(AIOKafkaConnection, name)
        if not hasattr(method, "__wrapped__"):
            setattr(AIOKafkaConnection, name, _reporting(method))


def _reporting(method: Callable[..., Foreign]) -> Callable[..., Foreign]:
    @functools.wraps(method)
    def write(connection: AIOKafkaConnection, *args: Foreign, **kwargs: Foreign) -> Foreign:
        try:
            return method(connection, *args, **kwargs)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection is closed: {error}") from error

    return write
