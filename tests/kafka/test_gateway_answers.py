"""A gateway on a real broker: what it answers, and what it tells."""

from itertools import pairwise
from pathlib import Path

import pytest

from ledger.broker import Broker
from stack.processes import wait_until
from tests.kafka.gateways import NUMBER, codes, gateway, offers, receipts
from tests.kafka.table_writer import TableWriter

pytestmark = pytest.mark.kafka
LONG = 30.0


def test_an_opt_out_is_in_force_and_told_soon_after_it_was_folded(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working(), gateway(broker, tmp_path) as asked:
        ledger.says("PreferenceGranted", "number", NUMBER)
        wait_until(lambda: offers(asked) == "granted", LONG, "the grant counts")
        past = ledger.says("PreferenceRevoked", "number", NUMBER)
        wait_until(lambda: offers(asked) == "revoked_by_number", LONG, "the opt-out counts")
        [(partition, offset)] = past.items()
        wait_until(lambda: receipts(broker)[-1].watermark.get(partition, 0) >= offset, LONG, "it is told")
        assert codes(asked) == "never_needs_consent"
    told = receipts(broker)
    assert [one.state for one in told][-1] == "ended"
    for earlier, later in pairwise(told):
        assert all(later.watermark.get(partition, 0) >= at for partition, at in earlier.watermark.items())
