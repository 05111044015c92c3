"""The decision log on a real broker keeps to what every decision log promises."""

import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.kafka_client import producer
from ledger.adapters.kafka_decisions import KafkaDecisions
from ledger.broker import Broker
from ledger.errors import UnavailableError
from stack.kafka import Kafka
from tests.contracts.decisions import DecisionsContract, decision, must_be_unreadable
from tests.kafka.kafka_logs import Place, new_place

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="class", params=[1, 3])
def place(request: pytest.FixtureRequest, broker_address: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return new_place(broker_address, tmp_path_factory.mktemp("mirror"), request.param)


class TestKafkaDecisions(DecisionsContract):
    """The suite."""

    @pytest.fixture
    def decisions(self, place: Place) -> Iterator[KafkaDecisions]:
        with closing(KafkaDecisions(place.broker)) as decisions:
            yield decisions

    def test_what_is_no_decision_says_so_when_it_is_read(self, place: Place) -> None:
        with closing(producer(place.broker)) as other, closing(KafkaDecisions(place.broker)) as decisions:
            for key, value in ((b"nobody", b"{}"), (b"ab" * 16, None), (b"ab" * 16, b"\xff")):
                other.send(place.broker.topics.decisions, key=key, value=value, partition=0).get(10)
                if _partitions(place) == 1:
                    must_be_unreadable(decisions)
            one = decision()
            decisions.send([one])
            stored = decisions.find(one.decision_id)
            assert stored is not None
            assert stored.read() == one


def _partitions(place: Place) -> int:
    return place.there[place.broker.topics.ledger].partitions


def test_a_broker_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with closing(KafkaDecisions(Broker(("127.0.0.1:1",)))) as decisions:
        with pytest.raises(UnavailableError, match="log decisions"):
            decisions.send([decision()])
        with pytest.raises(UnavailableError, match="read decisions"):
            decisions.find(decision().decision_id)


def test_a_broker_that_says_nothing_any_more_keeps_nobody_from_closing(tmp_path: Path) -> None:
    """kafka-python waits for what was sent last; where that is in vain it raises, and its thread lives on."""
    with Kafka(tmp_path / "kafka") as kafka:
        place = new_place(kafka.address, tmp_path / "mirror")
        decisions = KafkaDecisions(place.broker)
        decisions.send([decision()])
        made = decisions._producer
        kafka.process.signal(signal.SIGSTOP)
        later = threading.Timer(4, lambda: made.send(place.broker.topics.decisions, value=b"later"))
        try:
            later.start()
            with pytest.raises(UnavailableError, match="log decisions"):
                decisions.send([decision()])
            decisions.close()
            made._sender.join(20)
            assert not made._sender.is_alive()
        finally:
            later.join()
            kafka.process.signal(signal.SIGCONT)
