"""The log on a real broker keeps to what every log promises."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.adapters.kafka_log import KafkaLog
from tests.contracts.log import LogContract
from tests.kafka.kafka_logs import Place, new_place

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="class")
def place(request: pytest.FixtureRequest, broker_address: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return new_place(broker_address, tmp_path_factory.mktemp("mirror"), getattr(request.cls, "PARTITIONS", 1))


class OnKafka(LogContract):
    """The suite, on topics that its tests share."""

    PARTITIONS = 1

    @pytest.fixture
    def log(self, place: Place) -> Iterator[KafkaLog]:
        with closing(place.log()) as log:
            yield log


class TestOnePartition(OnKafka):
    """With one partition."""


class TestFivePartitions(OnKafka):
    """With five."""

    PARTITIONS = 5
