"""A no that is recorded while a gateway hears of nothing is in force once its lease is over, and stays in force."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.consumers.commands import OFFERS, Commands
from tests.kafka.strained import LEASE_S, Strained

pytestmark = pytest.mark.kafka
NUMBER = "+14165550101"
CODES = {"contact": NUMBER, "channel": "sms", "purpose": "service.codes"}
PROMOTION = {"contact": NUMBER, "channel": "sms", "purpose": "marketing.offers"}
LONG = 60.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Strained]:
    with Strained(tmp_path, workers=1, gateways=2) as running:
        yield running


@pytest.fixture
def agent(stage: Strained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    return stage.commands(capsys, monkeypatch)


def test_no_promotion_passes_once_it_was_confirmed_and_codes_pass_all_the_time(
    stage: Strained, agent: Commands
) -> None:
    reached, cut_off = stage.gateways
    yes = agent.json("grant", NUMBER, *OFFERS, "--basis", "express")
    assert agent.json("confirm", yes["event_id"], "--wait", str(LONG))["state"] == "enforced"

    def reason(question: dict[str, str]) -> str:
        answer = cut_off.decide(**question)
        assert answer is not None, "it answers all the time"
        return str(answer["reason"])

    assert reason(PROMOTION) == "granted"
    with stage.relay.cut():
        no = agent.json("revoke", NUMBER, "--purpose", "marketing")["event_id"]
        found = told(agent, no)
        assert found["state"] == "recorded"
        assert {one["name"]: one["state"] for one in found["gateways"]}[cut_off.name] == "waiting"
        while found["state"] != "enforced":
            assert reason(PROMOTION) in ("granted", "stale")
            assert reason(CODES) == "never_needs_consent"
            found = told(agent, no)
        states = {one["name"]: one["state"] for one in found["gateways"]}
        assert states == {reached.name: "enforced", cut_off.name: "expired"}
        # It has not heard of the no, and never will have said anything else since it was confirmed.
        until = time.monotonic() + LEASE_S / 3
        while time.monotonic() < until:
            assert reason(PROMOTION) == "stale"
            assert reason(CODES) == "never_needs_consent"
    seen = {reason(PROMOTION)}
    end = time.monotonic() + LONG
    while "revoked_by_number" not in seen and time.monotonic() < end:
        seen.add(reason(PROMOTION))
    assert seen <= {"stale", "revoked_by_number"}
    assert "revoked_by_number" in seen
    assert cut_off.process.code is None
    assert told(agent, no) == found


def told(agent: Commands, event_id: str) -> dict[str, Any]:
    """How far it is now."""
    answer = agent("confirm", event_id, "--json")
    assert answer.code in (0, 1), answer
    return answer.document
