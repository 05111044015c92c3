"""A move to more partitions while gateways answer: none goes on from what is over, and what was confirmed stays so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.bootstrap import open_ledger
from ledger.errors import NotALedgerError
from ledger.requests import Revoke
from schemas.subject import Subject
from stack.processes import wait_until
from tests.consumers.commands import OFFERS, Commands
from tests.kafka.stage import READY_S, Stage
from tests.ledger.door import PERSON

pytestmark = pytest.mark.kafka
FIRST, SECOND, THIRD = "+14165550101", "+14165550102", "+14165550103"
QUESTION = {"contact": SECOND, "channel": "sms", "purpose": "marketing.offers"}
NEXT = {"PREFLEDGER_TOPICS_VERSION": "2"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, workers=1, gateways=2, partitions=3) as running:
        yield running


@pytest.fixture
def agent(stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    return stage.commands(capsys, monkeypatch)


def confirmed(agent: Commands, event_id: str) -> dict[str, Any]:
    found = agent.json("confirm", event_id, "--wait", "60")
    assert found["state"] == "enforced", found
    return found


def told(agent: Commands, contact: str) -> list[dict[str, Any]]:
    """The timeline, without where in the ledger each event stands."""
    return [
        {name: said for name, said in line.items() if name != "position"} for line in agent.lines("timeline", contact)
    ]


def names(confirmation: dict[str, Any]) -> list[str]:
    return sorted(one["name"] for one in confirmation["gateways"])


def move_on(stage: Stage, agent: Commands) -> None:
    """As docs/operations.md has it."""
    agent.environment.setenv("PREFLEDGER_TOPICS_VERSION", "2")
    agent.json("topics", "create", "--empty", "--partitions", "7", "--replication-factor", "1")
    agent.environment.setenv("PREFLEDGER_TOPICS_VERSION", "1")
    agent.json("move", stage.environment["PREFLEDGER_LEDGER_URL"], "--to-version", "2")


def test_the_old_gateways_end_nobody_writes_there_and_what_was_confirmed_stays_word_for_word(
    stage: Stage, agent: Commands
) -> None:
    for contact in (FIRST, SECOND, THIRD):
        agent.json("grant", contact, *OFFERS, "--basis", "express")
    halt = agent.json("halt", "--channel", "email", "--purpose", "marketing", "--brand", "*")["event_id"]
    # So many that a place in the old ledger is another one in the new, whose partitions are shorter.
    noes = [
        agent.json("revoke", f"+1416555{number}", "--purpose", "marketing")["event_id"] for number in range(2001, 2009)
    ]
    no = agent.json("revoke", FIRST, "--purpose", "marketing")["event_id"]
    before = {event_id: confirmed(agent, event_id) for event_id in (halt, *noes, no)}
    assert all(names(each) == ["sms-0", "sms-1"] for each in before.values())
    timeline = told(agent, FIRST)
    assert timeline[-1]["type"] == "Enforced"
    old = open_ledger(stage.settings)

    move_on(stage, agent)

    for gateway in stage.gateways:
        wait_until(lambda one=gateway: one.process.code is not None, READY_S, "it ends")
        assert gateway.process.code == 2
        assert "retired" in gateway.process.said().splitlines()[-1]
    late = Revoke(subject=Subject("number", SECOND), origin=PERSON)
    with old, pytest.raises(NotALedgerError, match="was moved"):
        old.recorder.record(late)
    refused = agent("revoke", SECOND, "--purpose", "marketing")
    assert refused.code == 2
    assert "was moved" in refused.err
    stage.gateways[1].start()
    wait_until(lambda: stage.gateways[1].process.code is not None, READY_S, "it does not start there again")
    assert "was moved" in stage.gateways[1].process.said()

    agent.environment.setenv("PREFLEDGER_TOPICS_VERSION", "2")
    agent.json("worker", "rebuild", "--to-version", "2")
    stage.workers[0].process.stop()
    for part in (stage.workers[0], stage.gateways[0]):
        part.start(**NEXT)
        part.ready()
    assert {event_id: agent.json("confirm", event_id) for event_id in before} == before
    assert told(agent, FIRST) == timeline
    answered = stage.gateways[0].decide(**QUESTION)
    assert answered is not None
    assert answered["reason"] == "granted"
    assert names(confirmed(agent, agent.json("revoke", SECOND, "--purpose", "marketing")["event_id"])) == ["sms-0"]
    answered = stage.gateways[0].decide(**QUESTION)
    assert answered is not None
    assert answered["reason"] == "revoked_by_number"
    assert names(
        confirmed(
            agent, agent.json("halt", "--channel", "sms", "--purpose", "marketing.offers", "--brand", "*")["event_id"]
        )
    ) == ["sms-0"]
