"""How long the oldest entry of a partition has waited, as far as its worker can know; with a broker, see
`tests/kafka/test_worker_metrics.py`."""

import time

from projections.adapters.faust_batch import Batch
from projections.adapters.faust_metrics import WorkerMetrics
from schemas.distributed import Watermark
from tests.projections.test_a_worker_folds_alike import Told


class Measured:
    """The metrics of a worker that folds partition 0, by a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.metrics = WorkerMetrics(lambda: self.now)
        self.partition = self.metrics.partition(0, Watermark(partition=0, offset=10, recorded_at=1))

    def waited(self, end: int) -> float | None:
        """What is told, in whole seconds, where the ledger ends so."""
        self.metrics.measure(0, end)
        said = self.metrics.registry.get_sample_value("prefledger_worker_lag_seconds", {"partition": "0"})
        return said and round(said)

    def read(self, start: int, end: int, seconds_ago: float) -> list[Told]:
        """A batch whose entries were recorded then."""
        at = int((time.time() - seconds_ago) * 1000)
        records = [Told(offset, at, b"", b"") for offset in range(start, end)]
        self.partition.read(Batch(start, end, records))
        return records


def test_while_nothing_was_read_it_is_the_time_for_which_that_has_been_so() -> None:
    measured = Measured()
    assert measured.waited(10) == 0
    measured.now += 3_600
    assert measured.waited(10) == 0
    measured.now += 7
    assert measured.waited(11) == 7
    measured.now += 7
    assert measured.waited(11) == 14


def test_what_was_read_waits_since_it_was_recorded_until_it_is_committed() -> None:
    measured = Measured()
    first, second = measured.read(10, 13, 90), measured.read(13, 15, 40)
    assert measured.waited(15) == 90
    measured.partition.committed(13, first, 0)
    assert measured.waited(15) == 40
    measured.read(10, 13, 90)  # once more, as after a rebalance
    assert measured.waited(15) == 40
    measured.partition.committed(15, second, 0)
    assert measured.waited(15) == 0
