"""A bundle brings what its events have to be read by: every policy and procedure, and who of those in it knew it."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from tests.consumers.commands import Commands

NUMBER = "+14165550123"


@pytest.fixture
def told(commands: Commands, tmp_path: Path) -> list[dict[str, Any]]:
    """The events in a bundle of a number that an agent opted out, each by the subject that its leaf stands under."""
    commands.policy({"max_age_days": {"implied": 365}})
    commands.json("procedure", "publish", "opt-out@1")
    commands.json("procedure", "publish", "opt-out@2")
    commands.json("procedure", "withdraw", "opt-out@1")
    for agent in ("agent:ada", "agent:ben"):
        commands.json("procedure", "acknowledge", "opt-out@2", "--actor", agent)
    commands.json("revoke", NUMBER, "--actor", "agent:ada", "--procedure", "opt-out@2")
    commands.json("bundle", NUMBER, str(tmp_path / "bundle.json"))
    assert commands.json("verify-bundle", str(tmp_path / "bundle.json"))["holds"], "with their proofs"
    document = json.loads((tmp_path / "bundle.json").read_bytes())
    return [event_of(b64decode(entry["leaf"])) for entry in document["entries"]]


def event_of(leaf: bytes) -> dict[str, Any]:
    end = 10 + int.from_bytes(leaf[8:10], "big")
    event: dict[str, Any] = json.loads(leaf[end:])
    return event | {"key": leaf[10:end].decode()}


def test_every_policy_is_in_it_the_one_that_was_published_as_well(told: list[dict[str, Any]]) -> None:
    policies = [event for event in told if event["key"] == "operator:policy"]
    assert [(event["type"], event["policy"]["version"]) for event in policies] == [
        ("PolicyPublished", "1"), ("PolicyPublished", "2"),
    ]  # fmt: skip
    assert policies[1]["policy"]["max_age_days"] == {"implied": 365}


def test_every_procedure_is_in_it_and_that_one_was_withdrawn(told: list[dict[str, Any]]) -> None:
    procedures = [event for event in told if event["key"] == "operator:procedures"]
    assert [(event["type"], event["procedure"]) for event in procedures if "Acknowledged" not in event["type"]] == [
        ("ProcedurePublished", "opt-out@1"), ("ProcedurePublished", "opt-out@2"), ("ProcedureWithdrawn", "opt-out@1"),
    ]  # fmt: skip


def test_of_acknowledgements_it_has_those_of_who_acted(told: list[dict[str, Any]]) -> None:
    [no] = [event for event in told if event["type"] == "PreferenceRevoked"]
    [acknowledged] = [event for event in told if event["type"] == "ProcedureAcknowledged"]
    assert f"agent:{acknowledged['agent']}" == no["actor"]
