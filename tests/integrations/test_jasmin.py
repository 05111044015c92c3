"""Jasmin asks our gateway before it takes a message, and none waits in it for longer than the answer holds."""

import http.client
import signal
import time

import pytest

from stack.processes import LOOPBACK, wait_until
from tests.integrations.conftest import LEASE_S, TIMEOUT_S, TURN_S, Integration
from tests.integrations.jasmin_stack import send_over
from tests.integrations.smpp_client import ESME_ROK, ESME_RSUBMITFAIL, ESME_RSYSERR, submit

pytestmark = [pytest.mark.jasmin, pytest.mark.timeout(900)]

AGREES, WITHDREW, SAYS_STOP = "+14165550141", "+14165550142", "+14165550143"
PATIENCE_S = 5 * TIMEOUT_S
"""For an answer that takes TIMEOUT_S when the gateway hangs."""


@pytest.fixture(scope="module", autouse=True)
def _people(integration: Integration) -> None:
    integration.grant(AGREES, WITHDREW, SAYS_STOP)
    integration.revoke(WITHDREW)


def test_a_message_that_is_allowed_is_delivered_and_valid_no_longer_than_the_lease(integration: Integration) -> None:
    sent_at = time.time()
    integration.passed(AGREES, "allowed")
    message = next(each for each in integration.jasmin.messages() if each["text"] == "allowed")
    assert sent_at < message["valid_until"] <= time.time() + LEASE_S
    assert message["valid_until"] <= message["at"] + LEASE_S


@pytest.mark.parametrize("number", [WITHDREW, WITHDREW[1:], "00" + WITHDREW[1:]])
def test_a_number_that_opted_out_is_refused_over_http_however_it_is_written(
    integration: Integration, number: str
) -> None:
    status, answer = integration.jasmin.send("offers", number, f"refused {number}")
    assert (status, answer) == (403, 'Error "Interception specific error code 403"')
    integration.passed(AGREES, f"after {number}")
    assert f"refused {number}" not in integration.jasmin.texts()


def test_a_number_that_opted_out_is_refused_over_smpp(integration: Integration) -> None:
    port = integration.jasmin.port["smpp"]
    assert submit(port, "offers", WITHDREW[1:], "refused by smpp") == ESME_RSUBMITFAIL
    assert submit(port, "offers", AGREES[1:], "allowed by smpp") == ESME_ROK
    wait_until(lambda: "allowed by smpp" in integration.jasmin.texts(), 15, "the allowed one is delivered")
    assert "refused by smpp" not in integration.jasmin.texts()


def test_a_code_goes_to_one_who_opted_out_and_is_as_valid_as_its_sender_says(integration: Integration) -> None:
    integration.passed(WITHDREW, "your code is 1", user="codes")
    message = next(each for each in integration.jasmin.messages() if each["text"] == "your code is 1")
    assert message["valid_until"] is None


def test_a_tag_chooses_among_purposes_but_does_not_make_an_offer_a_code(integration: Integration) -> None:
    assert integration.jasmin.send("offers", AGREES, "a survey", tags="surveys")[0] == 403
    assert integration.jasmin.send("offers", WITHDREW, "no code", tags="codes")[0] == 403


def test_the_client_cannot_ask_for_a_longer_validity_nor_can_a_long_message_have_one(integration: Integration) -> None:
    status, answer = integration.jasmin.send("offers", AGREES, "long " * 60, **{"validity-period": "1440"})
    assert status == 200, answer
    wait_until(lambda: sum("long" in str(text) for text in integration.jasmin.texts()) == 2, 15, "both parts are there")
    for part in integration.jasmin.messages()[-2:]:
        assert part["valid_until"] <= part["at"] + LEASE_S


def test_while_the_gateway_hangs_offers_are_refused_in_time_and_codes_go(integration: Integration) -> None:
    integration.gateway.process.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert integration.jasmin.send("offers", AGREES, "asked in vain")[0] == 503
        assert time.monotonic() - began < PATIENCE_S
        assert submit(integration.jasmin.port["smpp"], "offers", AGREES, "asked in vain by smpp") == ESME_RSYSERR
        began = time.monotonic()
        for number in range(20):
            assert integration.jasmin.send("codes", WITHDREW, f"code while it hangs {number}")[0] == 200
        assert time.monotonic() - began < 10 * TIMEOUT_S, "each of them waited for the gateway"
        wait_until(lambda: "code while it hangs 19" in integration.jasmin.texts(), 15, "the codes are delivered")
    finally:
        integration.gateway.process.signal(signal.SIGCONT)
    wait_until(lambda: integration.jasmin.send("offers", AGREES, "it goes on")[0] == 200, 30, "offers go out again")
    assert not {"asked in vain", "asked in vain by smpp"} & set(integration.jasmin.texts())


def test_while_the_gateway_is_down_offers_are_refused_and_codes_go(integration: Integration) -> None:
    integration.gateway.process.kill()
    assert integration.jasmin.send("offers", AGREES, "nobody to ask")[0] == 503
    integration.passed(WITHDREW, "code while it is down", user="codes")
    integration.gateway.start()
    integration.gateway.ready()
    wait_until(lambda: integration.jasmin.send("offers", AGREES, "it is back")[0] == 200, 30, "offers go out again")
    assert "nobody to ask" not in integration.jasmin.texts()


def test_a_message_that_waited_longer_than_the_lease_is_not_given_to_the_operator(integration: Integration) -> None:
    jasmin = integration.jasmin
    jasmin.stop_smsc()
    assert jasmin.send("offers", SAYS_STOP, "queued before the stop")[0] == 200
    queued_at = time.monotonic()
    integration.revoke(SAYS_STOP)
    time.sleep(max(0.0, LEASE_S + 0.5 - (time.monotonic() - queued_at)))
    jasmin.start_smsc()
    wait_until(jasmin.is_bound, 30, "the connectors are bound again")
    integration.passed(AGREES, "after the outage")
    assert "queued before the stop" not in [message["text"] for message in jasmin.messages()]


def test_a_message_that_waited_no_longer_than_the_lease_is_delivered(integration: Integration) -> None:
    jasmin = integration.jasmin
    for attempt in range(5):  # Jasmin looks for the operator once a second, a busy machine may need more than the lease
        jasmin.stop_smsc()
        assert jasmin.send("offers", AGREES, f"queued shortly {attempt}")[0] == 200
        jasmin.start_smsc()
        wait_until(jasmin.is_bound, 30, "the connectors are bound again")
        integration.passed(AGREES, f"and on {attempt}")
        if f"queued shortly {attempt}" in jasmin.texts():
            return
    pytest.fail("no message survived a short outage: then the test above shows nothing")


def test_a_connection_that_is_lost_with_an_answer_on_its_way_holds_the_others_up_no_longer_than_it_may(
    integration: Integration,
) -> None:
    jasmin = integration.jasmin
    jasmin.signal_smsc(signal.SIGSTOP)
    assert jasmin.send("offers", AGREES, "its answer is lost")[0] == 200
    sent_at = time.time()
    time.sleep(TURN_S)  # it is submitted: Jasmin waits for what the operator says
    jasmin.stop_smsc()
    jasmin.start_smsc()
    wait_until(jasmin.is_bound, 30, "the connectors are bound again")
    integration.passed(AGREES, "behind it")
    late = [message for message in jasmin.messages() if message["text"] == "its answer is lost"]
    assert all(message["at"] <= sent_at + LEASE_S + TURN_S or not message["delivered"] for message in late)


def test_what_a_slow_connection_does_not_send_within_the_lease_it_does_not_send_at_all(
    integration: Integration,
) -> None:
    count = int(2 * LEASE_S / TURN_S)
    accepted_at: dict[str, float] = {}
    for number in range(count):
        assert integration.jasmin.send("slow", AGREES, f"slow {number}")[0] == 200
        accepted_at[f"slow {number}"] = time.time()
    time.sleep(LEASE_S + 4 * TURN_S)
    reached = [message for message in integration.jasmin.messages() if str(message["text"]) in accepted_at]
    assert 0 < len(reached) < count
    for message in reached:
        lease_ends = accepted_at[str(message["text"])] + LEASE_S
        assert message["at"] <= lease_ends + TURN_S
        assert message["at"] <= lease_ends or not message["delivered"]


def test_without_an_interceptor_nothing_goes_out(integration: Integration) -> None:
    integration.jasmin.stop_interceptord()
    for user in ("offers", "codes"):
        assert integration.jasmin.send(user, AGREES, "nobody checks")[0] == 503
    integration.jasmin.start_interceptord()
    wait_until(lambda: integration.jasmin.send("offers", AGREES, "checked again")[0] == 200, 30, "it is asked again")
    assert "nobody checks" not in integration.jasmin.texts()


def test_how_many_messages_a_second_it_takes_with_and_without_being_asked(
    integration: Integration, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = _rate(integration, "asked")
    integration.jasmin.console("mtinterceptor -r 0")
    try:
        unasked = _rate(integration, "unasked")
    finally:
        integration.jasmin.intercept()
    with capsys.disabled():
        print(f"\nJasmin takes {asked:,.0f} messages/s when it asks our gateway, {unasked:,.0f} when it does not")


def _rate(integration: Integration, text: str, count: int = 200) -> float:
    connection = http.client.HTTPConnection(LOOPBACK, integration.jasmin.port["http"], timeout=30)
    began = time.monotonic()
    for _ in range(count):
        status, answer = send_over(connection, "offers", AGREES, text)
        assert status == 200, answer
    seconds = time.monotonic() - began
    connection.close()
    return count / seconds
