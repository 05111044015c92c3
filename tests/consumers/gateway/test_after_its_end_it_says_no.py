"""Nothing is allowed by a gateway that has been told to end, whatever its threads learn at that moment."""

from pathlib import Path

import pytest

from consumers.gateway import Gateway
from consumers.gateway.ports import Ports
from tests.consumers.asking import NUMBER, REFERENCES
from tests.consumers.gateway.test_decisions_are_not_lost_at_the_end import away


def test_what_the_keeper_says_of_the_stop_switch_while_it_ends_counts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = Ports(feed=away, ends=away, receipts=away, appender=away, rejected=away)
    gateway = Gateway("sms-1", ports, REFERENCES, tmp_path / "sms-1.snapshot")
    running = gateway.running
    tell_all = running._stopping.set

    def tell_all_too_late() -> None:
        running.knows_the_switch(True)
        tell_all()

    running.knows_the_switch(True)
    assert running.knows_switch
    monkeypatch.setattr(running._stopping, "set", tell_all_too_late)
    gateway.stop()
    assert not running.knows_switch
    assert gateway.decide(NUMBER, channel="sms", purpose="service.codes").reason == "stale"
