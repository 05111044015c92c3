"""A recorder whose clock is an hour off takes no opt-out back, and nobody's yes is worth more by it."""

from contextlib import closing
from pathlib import Path

import pytest

from consumers.confirm import Confirming, NoReceipts
from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.adapters.memory_people import MemoryPeople
from ledger.broker import Broker
from ledger.record import Recorder, system_clock
from ledger.requests import Grant, Revoke
from projections.log_view import LogView
from projections.past import PastOfView
from stack.processes import wait_until
from tests.consumers.asking import REFERENCES
from tests.kafka.gateways import gateway, offers
from tests.kafka.table_writer import TableWriter
from tests.ledger.door import NUMBER, PERSON

pytestmark = pytest.mark.kafka
LONG = 60.0
HOUR_MS = 3_600_000
SAYS_NO = Revoke(subject=NUMBER, origin=PERSON)
SAYS_YES = Grant(
    subject=NUMBER, origin=PERSON, basis="express", brand="acme", channel="sms", purpose="marketing.offers"
)


def recorder(log: KafkaLog, off_ms: int = 0) -> Recorder:
    """The door of a machine whose clock is so far off."""
    past = PastOfView(lambda: LogView(log))
    return Recorder(log, MemoryPeople(), REFERENCES, past, lambda: system_clock() + off_ms)


@pytest.mark.parametrize("off_ms", [-HOUR_MS, HOUR_MS], ids=["behind", "ahead"])
def test_what_it_records_counts_from_no_later_than_the_ledgers_own_time(
    off_ms: int, broker: Broker, tmp_path: Path
) -> None:
    with TableWriter(broker) as ledger, closing(KafkaTopics(broker)) as topics:
        topic = topics.check([broker.topics.ledger])[broker.topics.ledger]
        log = KafkaLog(broker, tmp_path / "mirror.db", topic.partitions, topic.topic_id)
        with closing(log), ledger.working(), gateway(broker, tmp_path) as asked:
            right, off = recorder(log), recorder(log, off_ms)

            def counts(reason: str) -> None:
                wait_until(lambda: offers(asked) == reason, LONG, f"it says {reason}")

            right.record(SAYS_YES)
            counts("granted")
            # One that is behind says that the no is older than the yes: it was recorded after it all the same.
            receipt = off.record(SAYS_NO)
            assert abs(receipt.recorded_at - system_clock()) < HOUR_MS // 2
            counts("revoked_by_number")
            # One that is ahead has said that the no is of in an hour: it is no later than it was recorded.
            right.record(SAYS_YES)
            counts("granted")
            off.record(SAYS_YES)
            right.record(SAYS_NO)
            counts("revoked_by_number")
            # Nor was anything asked for after it was recorded.
            asked_for = Confirming(log, NoReceipts(), off.record(SAYS_NO).event_id).look()
            assert asked_for.requested_at <= asked_for.recorded_at
            # From one that is behind, a yes is older than the no that it follows, and lifts nothing: the safe side.
            partition, offset = off.record(SAYS_YES).position
            wait_until(lambda: asked.running.replica.watermark().get(partition, 0) > offset, LONG, "it has it")
            counts("revoked_by_number" if off_ms < 0 else "granted")
