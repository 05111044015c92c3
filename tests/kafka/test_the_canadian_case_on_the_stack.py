"""2014 again, on `make stack`: an account's opt-out is in force at every gateway, and the confirmation says when."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import yaml

from stack.processes import Process, free_port, listens
from stack.services import services
from tests.kafka.stage import COMMAND, Part

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
FAMILY = [f"+1416555010{number}" for number in range(1, 6)]
OFFERS = {"channel": "sms", "purpose": "marketing.offers"}
GIVEN = ("action=grant", "basis=express", "channel=sms", "purpose=marketing.offers")
CONSENT = [word for given in GIVEN for word in ("--default", given)]
STORE = re.compile(r"^(kafka|postgres) +(\S+)  process \d+$", re.MULTILINE)
LINE = re.compile(r"^(\S+) +http://127\.0\.0\.1:(\d+)  process (\d+)$", re.MULTILINE)


class Running:
    """`make stack`, as somebody in another terminal sees it."""

    def __init__(self, folder: Path) -> None:
        self.said = folder / "stack.log"
        self.environment = {"STACK_FOLDER": str(folder / "stack"), "STACK_PORTS_FROM": str(free_port_range())}
        self.process = Process("stack", [sys.executable, "-m", "stack"], self.said, self.environment)
        self.process.wait_until(lambda: "Everything is ready" in self.process.said(20_000), 180, "everything is ready")
        text = self.said.read_text("utf-8")
        self.places = {name: (int(port), int(pid)) for name, port, pid in LINE.findall(text)}
        self.stores = dict(STORE.findall(text))
        told = re.findall(r"^  export (PREFLEDGER_\w+=.*)$", text, re.MULTILINE)
        self.settings = dict(shlex.split(one)[0].split("=", 1) for one in told)  # as a shell reads it

    @property
    def gateways(self) -> list[Part]:
        """To be asked only."""
        ports = [port for name, (port, _pid) in sorted(self.places.items()) if name.startswith("gateway")]
        return [Part("gateway", [], self.said.parent, {}, port) for port in ports]

    def command(self, *arguments: str, expected: int = 0) -> dict[str, Any]:
        """A command with `--json`; of what it says the last object."""
        found = subprocess.run(
            [str(COMMAND), *arguments, "--json"], env={**os.environ, **self.settings}, capture_output=True, check=False
        )
        assert found.returncode == expected, (arguments, found.stdout, found.stderr)
        document: dict[str, Any] = orjson.loads(found.stdout.splitlines()[-1])
        return document


def free_port_range() -> int:
    """Where the ports of the stack, moved together, are probably all free."""
    return free_port()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("stack"))
    yield running
    assert running.process.stop(60) == 0, running.process.said()
    assert "stopped" in running.process.said()
    assert len(running.places) == len([one for one in services() if one.port])
    for port, pid in running.places.values():
        assert not listens(port)
        assert not Path(f"/proc/{pid}").exists()
    assert not listens(int(running.stores["kafka"].rpartition(":")[2]))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(running.stores["postgres"])


def test_all_five_numbers_are_denied_at_all_three_gateways_once_the_account_has_opted_out(stack: Running) -> None:
    stack.command("procedure", "publish", "opt-out@2")
    stack.command("link", "ACC-77", *FAMILY)
    consents = stack.said.with_name("consents.csv")
    consents.write_text("number,occurred_at\n" + "".join(f"{number},2013-05-01T12:00:00Z\n" for number in FAMILY))
    stack.command("import", str(consents), *CONSENT)
    everywhere(stack, allowed=True)
    receipt = stack.command("revoke", "account:ACC-77", "--actor", "agent:ada", "--procedure", "opt-out@2")
    found = stack.command("confirm", receipt["event_id"], "--wait", "20")
    assert found["state"] == "enforced"
    assert found["requested_at"] <= found["recorded_at"] <= found["enforced_at"]
    assert sorted(one["name"] for one in found["gateways"]) == ["sms-1", "sms-2", "sms-3"]
    assert {one["state"] for one in found["gateways"]} == {"enforced"}
    for gateway in stack.gateways:
        for number in FAMILY:
            said = gateway.decide(contact=number, **OFFERS)
            assert said is not None
            assert (said["allowed"], said["reason"]) == (False, "revoked_by_account")
            assert said["evidence"] == [receipt["event_id"]]


def everywhere(stack: Running, allowed: bool) -> None:
    """Waits until every gateway answers so for every number of the family."""
    end = time.monotonic() + 30
    while not all(
        (gateway.decide(contact=number, **OFFERS) or {}).get("allowed") is allowed
        for gateway in stack.gateways
        for number in FAMILY
    ):
        assert time.monotonic() < end, "the gateways do not agree"
        time.sleep(0.05)


def test_the_confirmation_fills_up_gateway_by_gateway(stack: Running) -> None:
    _port, pid = stack.places["gateway-2"]
    os.kill(pid, signal.SIGSTOP)
    try:
        receipt = stack.command("revoke", "+14165550199")
        found = stack.command("confirm", receipt["event_id"], "--wait", "3", expected=1)
        assert found["state"] == "recorded"
        assert found["enforced_at"] is None
        states = {one["name"]: one["state"] for one in found["gateways"]}
        assert states == {"sms-1": "enforced", "sms-2": "waiting", "sms-3": "enforced"}
        answers: list[dict[str, Any]] = []
        asking = threading.Thread(
            target=lambda: answers.append(stack.command("confirm", receipt["event_id"], "--wait", "30"))
        )
        asking.start()
    finally:
        os.kill(pid, signal.SIGCONT)
    asking.join(60)
    [found] = answers
    assert found["state"] == "enforced"
    assert {one["name"]: one["state"] for one in found["gateways"]} == dict.fromkeys(states, "enforced")
    late = next(one for one in found["gateways"] if one["name"] == "sms-2")
    assert found["enforced_at"] == late["at"]


def test_the_same_confirmation_can_be_asked_later_and_says_the_same(stack: Running) -> None:
    receipt = stack.command("revoke", "+14165550198")
    first = stack.command("confirm", receipt["event_id"], "--wait", "20")
    time.sleep(2)
    assert stack.command("confirm", receipt["event_id"]) == first


def test_every_service_says_how_it_is(stack: Running) -> None:
    for port, _pid in stack.places.values():
        part = Part("service", [], stack.said.parent, {}, port)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert part.get(path)[0] == 200, (port, path)


def test_every_metric_that_an_alert_names_is_told_by_somebody(stack: Running) -> None:
    pages = [Part("any", [], stack.said.parent, {}, port).get("/metrics")[1] for port, _pid in stack.places.values()]
    told = {name.decode() for page in pages for name in re.findall(rb"^# TYPE (\S+)", page, re.MULTILINE)}
    rules = yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
    named = {name for rule in rules for name in re.findall(r"prefledger_\w+", rule["expr"])}
    assert named
    assert named - told == set()
    table = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert [rule["alert"] for rule in rules if rule["alert"] not in table] == []
