"""A connection that was closed under a worker: known as closed, also in the event loop that raises other errors."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from ledger.broker import Broker
from projections.adapters import faust_connection
from tests.kafka.workers import MARKS

pytestmark = MARKS


async def _write(broker: Broker, write: Callable[[AIOKafkaConnection], object]) -> None:
    host, port = broker.servers[0].rsplit(":", 1)
    connection = await create_conn(host, int(port))
    connection._read_task.cancel()  # it would notice, a moment after somebody has written
    connection._writer.transport.abort()
    await asyncio.sleep(0.1)
    with pytest.raises(KafkaConnectionError, match="closed"):
        write(connection)
    assert not connection.connected()


@pytest.mark.parametrize(
    "write",
    [lambda connection: connection.send(MetadataRequest([])), lambda connection: connection._send_sasl_token(b"token")],
    ids=faust_connection.WRITERS,
)
def test_a_write_to_a_closed_connection_is_reported_as_such(
    broker: Broker, write: Callable[[AIOKafkaConnection], object]
) -> None:
    faust_connection.register()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write(broker, write))


def test_registering_twice_wraps_once() -> None:
    faust_connection.register()
    once = AIOKafkaConnection.send
    faust_connection.register()
    assert AIOKafkaConnection.send is once
