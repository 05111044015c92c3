"""The log on a real broker keeps to what every log promises."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_mirror import Fetched, Raw
from ledger.errors import NotALedgerError
from tests.contracts.log import LogContract, entry
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


def test_a_topic_that_ends_before_what_this_machine_has_read_has_lost_entries(
    broker_address: str, tmp_path: Path
) -> None:
    place = new_place(broker_address, tmp_path)
    with closing(place.log()) as log:
        log._mirror.add([Fetched(0, 0, 1, [Raw(0, 1_000, "ab" * 16, b"acknowledged once", ())])])
        with pytest.raises(NotALedgerError, match="has lost entries"):
            log.ends()
        with pytest.raises(NotALedgerError, match="has lost entries"):
            log.append([entry()])
