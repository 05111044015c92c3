"""The erasable stores on a real broker keep to what all of them promise."""

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.adapters.kafka_people import KafkaPeople
from tests.contracts.people import PeopleContract
from tests.kafka.kafka_logs import Place, new_place

pytestmark = pytest.mark.kafka

KEY = os.urandom(32)


@pytest.fixture(scope="class")
def place(request: pytest.FixtureRequest, broker_address: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return new_place(broker_address, tmp_path_factory.mktemp("mirror"), getattr(request.cls, "PARTITIONS", 1))


class TestKafkaPeople(PeopleContract):
    """The suite."""

    @pytest.fixture
    def people(self, place: Place) -> Iterator[KafkaPeople]:
        with closing(place.people(KEY)) as people:
            yield people
