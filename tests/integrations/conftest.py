"""A Jasmin in front of a whole ledger: broker, worker and gateway of ours, and all that Jasmin needs."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from stack.kafka import NoJavaError, jars
from stack.processes import wait_until
from tests.integrations.jasmin_stack import INTEGRATION, JasminStack
from tests.integrations.jasmin_tools import daemons
from tests.kafka.stage import Part, Stage
from tests.left_out import leave_out

LEASE_S = 4
"""Instead of 30, so that a test can wait until it is over."""
TIMEOUT_S = 2.0
TURN_S = 0.5
"""How often the slow connector takes a message."""


@dataclass
class Integration:
    """Both sides."""

    ledger: Stage
    jasmin: JasminStack

    @property
    def gateway(self) -> Part:
        """The process that Jasmin asks."""
        return self.ledger.gateways[0]

    def grant(self, *numbers: str) -> None:
        """Has them say yes to offers, and waits until the gateway knows."""
        for number in numbers:
            self.ledger.run(
                "grant", number, "--channel", "sms", "--purpose", "marketing.offers", "--basis", "express",
            )  # fmt: skip
            wait_until(lambda: self.is_allowed(number), 30, f"{number} may be sent offers")  # noqa: B023

    def revoke(self, number: str) -> None:
        """Has one say STOP, and waits until the gateway knows."""
        self.ledger.run("revoke", number)
        wait_until(lambda: not self.is_allowed(number), 30, f"{number} may not be sent offers")

    def is_allowed(self, number: str) -> bool:
        """What the gateway itself says."""
        answer = self.gateway.decide(contact=number, channel="sms", purpose="marketing.offers")
        return answer is not None and answer["allowed"] is True

    def passed(self, number: str, text: str, user: str = "offers") -> None:
        """Sends a message that may go out until it has: what was sent before it has been decided by then.

        Again every few seconds, for on a machine that has much to do one may wait for longer than it is valid.
        """
        end = time.monotonic() + 60
        while text not in self.jasmin.texts():
            status, answer = self.jasmin.send(user, number, text)
            assert status in (200, 503), answer
            assert time.monotonic() < end, f"{text!r} was never delivered: {answer}"
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: text in self.jasmin.texts(), LEASE_S, "it is delivered")


@pytest.fixture(scope="module")
def integration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Integration]:
    daemons()
    try:
        jars()
    except NoJavaError as error:
        leave_out(str(error))
    folder = tmp_path_factory.mktemp("jasmin")
    with Stage(folder / "ledger", workers=1, gateways=1, partitions=1) as ledger:
        gate = folder / "prefledger_gate.toml"
        gate.write_text(_configuration(ledger.gateways[0].port), "utf-8")
        with JasminStack(folder / "jasmin", LEASE_S, gate) as jasmin:
            _configure(jasmin)
            yield Integration(ledger, jasmin)


def _configuration(port: int) -> str:
    """The documented one, with another port, a shorter lease, and more patience for a machine that has much to do."""
    text = (INTEGRATION / "prefledger_gate.toml").read_text("utf-8")
    for said, instead in (
        (":8090", f":{port}"),
        ("timeout_s = 0.5 ", f"timeout_s = {TIMEOUT_S} "),
        ("lease_s = 30 ", f"lease_s = {LEASE_S} "),
    ):
        assert said in text
        text = text.replace(said, instead)
    return text


def _configure(jasmin: JasminStack) -> None:
    for group, users in (("marketing", ("offers", "slow")), ("codes", ("codes",))):
        jasmin.add("group", gid=group)
        for user in users:
            jasmin.add("user", username=user, password="secret", gid=group, uid=user)
    for connector, per_second in (("offers", "0"), ("codes", "0"), ("slow", f"{1 / TURN_S:g}")):
        _add_connector(jasmin, connector, per_second)
    jasmin.add("mtrouter", type="DefaultRoute", connector="smppc(offers)", rate="0.0")
    jasmin.route(10, "codes", "codes")
    jasmin.route(20, "slow", "slow")
    jasmin.intercept()
    ttl = f'{{"message-ttl":{(LEASE_S - 1) * 1000}}}'
    jasmin.rabbitmqctl("set_policy", "lease", r"^submit\.sm\.(offers|slow)$", ttl, "--apply-to", "queues")
    wait_until(jasmin.is_bound, 30, "all connectors are bound")


def _add_connector(jasmin: JasminStack, name: str, per_second: str) -> None:
    jasmin.add(
        "smppccm", cid=name, host="127.0.0.1", port=str(jasmin.port["smsc"]), username="jasmin", password="secret",
        submit_throughput=per_second, con_loss_delay="1", con_fail_delay="1", res_to=str(LEASE_S), requeue_delay="1",
    )  # fmt: skip
    jasmin.console(f"smppccm -1 {name}")
