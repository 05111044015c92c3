"""The tables are deleted, made anew and filled again, longer than they were: what was read of the old ones is void."""

import os
import signal
from pathlib import Path

import pytest

from ledger.broker import Broker
from stack.processes import wait_until
from tests.kafka.gateways import NUMBER, Ran, codes, gateway, offers, readers, reason
from tests.kafka.table_writer import TableWriter
from tests.kafka.test_worker_rebuilds import rebuilt
from tests.kafka.workers import LONG, MARKS

pytestmark = MARKS


def made_anew(ledger: TableWriter, folder: Path) -> None:
    """As `docs/worker.md` has it for tables that were lost; then the workers write watermarks until they are longer."""
    before = ledger.table_ends()
    ledger.make_tables_anew()
    said = rebuilt(ledger.broker, 1, folder)
    assert said.returncode == 0, said.stderr
    with ledger.working():
        wait_until(
            lambda: all(end > before[place] for place, end in ledger.table_ends().items()), LONG, "they are longer"
        )  # fmt: skip


def test_a_snapshot_of_the_tables_before_is_not_gone_on_with(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger:
        with ledger.working():
            ledger.says("PreferenceGranted", "number", NUMBER)
            first = Ran(broker, tmp_path / "home")
            first.says("granted")
            assert first.process.stop() == 0
        ledger.says("PreferenceRevoked", "number", NUMBER)
        made_anew(ledger, tmp_path)
        with ledger.working():
            second = Ran(broker, tmp_path / "home")
            while (said := reason(second.port)) != "revoked_by_number":
                assert second.process.code is None
                assert said in (None, "stale")
            assert "is of other topics; the copy is loaded from these" in second.process.said()
            assert second.process.stop() == 0


@pytest.mark.parametrize("sleeps", [True, False], ids=["asleep", "awake"])
def test_a_gateway_that_runs_meanwhile_does_not_go_on_with_what_it_has(
    sleeps: bool, broker: Broker, tmp_path: Path
) -> None:
    with TableWriter(broker) as ledger, gateway(broker, tmp_path) as asked:
        with ledger.working():
            ledger.says("PreferenceGranted", "number", NUMBER)
            wait_until(lambda: offers(asked) == "granted", LONG, "the grant counts")
        [reader] = readers(os.getpid())
        if sleeps:
            os.kill(reader, signal.SIGSTOP)
        [(partition, offset)] = ledger.says("PreferenceRevoked", "number", NUMBER).items()
        made_anew(ledger, tmp_path)
        if sleeps:
            os.kill(reader, signal.SIGCONT)

        def is_current() -> bool:
            codes(asked)  # no question meets an error of a copy that is loaded anew
            return asked.running.replica.watermark().get(partition, 0) >= offset and asked.state == "current"

        with ledger.working():
            wait_until(is_current, LONG, "it is current again", every=0.001)
            assert offers(asked) == "revoked_by_number"
        assert asked.running.failed is None
