"""What the worker leans on inside Faust and aiokafka is where it was: this fails first when a release has moved it."""

import inspect
import sys

import aiokafka
import faust
import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher as AiokafkaFetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, TopicPartitionState
from aiokafka.producer import sender
from faust.serializers.schemas import Schema
from faust.stores import STORES
from faust.stores.memory import Store
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver

HOOKS = [
    (FaustConsumer, "getmany", ["self", "timeout"]),
    (FaustConsumer, "_wait_next_records", ["self", "timeout"]),
    (FaustConsumer, "on_buffer_full", ["self", "tp"]),
    (FaustConsumer, "commit", ["self", "topics", "start_new_transaction"]),
    (FaustConsumer, "wait_empty", ["self"]),
    (FaustConsumer, "perform_seek", ["self"]),
    (FaustConsumer, "on_partitions_revoked", ["self", "revoked"]),
    (FaustConsumer, "on_partitions_assigned", ["self", "assigned", "generation_id"]),
    (FaustConsumer, "verify_event_path", ["self", "now", "tp"]),
    (driver.Consumer, "_to_message", ["self", "tp", "record"]),
    (driver.Consumer, "_new_consumer_thread", ["self"]),
    (driver.Consumer, "seek_wait", ["self", "partitions"]),
    (driver.AIOKafkaConsumerThread, "on_start", ["self"]),
    (driver.AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"]),
    (driver.AIOKafkaConsumerThread, "_ensure_consumer", ["self"]),
    (driver.AIOKafkaConsumerThread, "_seek_wait", ["self", "consumer", "partitions"]),
    (
        driver.AIOKafkaConsumerThread,
        "_fetch_records",
        ["self", "consumer", "active_partitions", "timeout", "max_records"],
    ),
    (driver.AIOKafkaConsumerThread, "_commit", ["self", "offsets"]),
    (Schema, "loads_key", ["self", "app", "message", "loads", "serializer"]),
    (Schema, "loads_value", ["self", "app", "message", "loads", "serializer"]),
    (faust.App, "_create_directories", ["self"]),
    (Store, "apply_changelog_batch", ["self", "batch", "to_key", "to_value"]),
    (Store, "persisted_offset", ["self", "tp"]),
    (Store, "on_recovery_completed", ["self", "active_tps", "standby_tps"]),
    (Store, "on_rebalance", ["self", "assigned", "revoked", "newly_assigned", "generation_id"]),
    (GroupCoordinator, "request_rejoin", ["self"]),
    (Assignment, "state_value", ["self", "tp"]),
    (AIOKafkaConnection, "send", ["self", "request", "expect_response"]),
    (AIOKafkaConnection, "_send_sasl_token", ["self", "payload", "expect_response"]),
]
SAID = [
    (FaustConsumer.__init__, "self._read_offset = defaultdict"),
    (FaustConsumer._drain_messages, "get_read_offset = self._read_offset.__getitem__"),
    (FaustConsumer._drain_messages, "r_offset is None"),
    (driver.AIOKafkaConsumerThread._create_worker_consumer, "if self.consumer.in_transaction:"),
    (driver.AIOKafkaConsumerThread._highwaters, "await consumer.end_offsets(partitions)"),
    (driver.AIOKafkaConsumerThread._fetch_records, "fetcher._subscriptions.fetch_context()"),
    (Recovery.__init__, "self.active_highwaters = Counter()"),
    (Recovery.add_active, "self.active_tps.add(tp)"),
    (Recovery._add, "persisted_offset = table.persisted_offset(tp)"),
    (Recovery.on_recovery_completed, "consumer.perform_seek()"),
    (AiokafkaFetcher.__init__, "self._fetch_max_wait_ms = fetch_max_wait_ms"),
    (sender, "return BACKOFF_OVERRIDE"),
    (TopicPartitionState, "def has_valid_position"),
]


def test_the_versions_are_the_ones_that_this_was_written_for() -> None:
    assert (faust.__version__, aiokafka.__version__) == ("0.15.3", "0.14.0")


@pytest.mark.parametrize(("of", "name", "takes"), HOOKS, ids=[f"{of.__name__}.{name}" for of, name, _ in HOOKS])
def test_a_method_that_is_overridden_or_called_is_there(of: type, name: str, takes: list[str]) -> None:
    found = [each for each in inspect.signature(getattr(of, name)).parameters if each != "kwargs"]
    assert found == takes


@pytest.mark.parametrize(("where", "what"), SAID, ids=[what for _, what in SAID])
def test_what_goes_on_inside_is_what_it_was(where: object, what: str) -> None:
    assert what in inspect.getsource(where)  # type: ignore[arg-type]


def test_transports_and_stores_are_found_by_scheme() -> None:
    assert "aiokafka" in TRANSPORTS.aliases
    assert "memory" in STORES.aliases


def test_nothing_of_faust_is_imported_before_a_worker_is_built() -> None:
    import subprocess

    code = "import sys, consumers.bootstrap.worker, consumers.cli.main; sys.exit('faust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
