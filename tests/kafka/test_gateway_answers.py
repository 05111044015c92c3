"""A gateway on a real broker: what it answers, and what it tells."""

import time
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from consumers.gateway import Gateway, registering, running
from consumers.gateway.answers import valid_for_s
from ledger.adapters.kafka_client import admin
from ledger.broker import Broker
from ledger.errors import UnavailableError
from ledger.log import Recorded
from projections.history import Contact
from schemas.scope import Scope
from schemas.topics import TABLES
from stack.processes import wait_until
from tests.consumers.asking import digest
from tests.kafka.gateways import NUMBER, Ran, codes, decisions, gateway, offers, post, receipts
from tests.kafka.table_writer import SHORT, TableWriter

pytestmark = pytest.mark.kafka
LONG = 60.0
OTHER = "+33612345678"
HOUR_MS = 3_600_000


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
    assert all(one.fresh_for_ms is None for one in told if one.state == "starting")
    assert {one.lease_ms for one in told} == {30_000}
    for earlier, later in pairwise(told):
        assert all(later.watermark.get(partition, 0) >= at for partition, at in earlier.watermark.items())
    kinds = [entry.value.split(b'"type":"')[1].split(b'"')[0] for entry in ledger_of(ledger)]
    assert kinds.count(b"GatewayRegistered") == kinds.count(b"GatewayRetired") == 1


def ledger_of(ledger: TableWriter) -> list[Recorded]:
    """All entries of a ledger."""
    return [entry for partition in range(ledger.partitions) for entry in ledger.read(partition)]


def test_the_stop_switch_and_an_accounts_opt_out_deny_every_number(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working(), gateway(broker, tmp_path) as asked:
        for number in (NUMBER, OTHER):
            ledger.says("PreferenceGranted", "number", number)
            ledger.says("ContactLinked", "number", number, account="A", reason="added")
        wait_until(lambda: offers(asked) == offers(asked, OTHER) == "granted", LONG, "the grants count")
        ledger.says("PreferenceRevoked", "account", "A")
        wait_until(lambda: offers(asked) == offers(asked, OTHER) == "revoked_by_account", LONG, "both are denied")
        ledger.halts()
        wait_until(lambda: codes(asked) == "halted", LONG, "even codes are stopped")
        assert {each.reason for each in asked.decide_many([NUMBER, OTHER], channel="sms", purpose="marketing")} == {
            "halted"
        }


def test_every_decision_is_logged_and_none_is_lost_by_a_clean_stop(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        asked = gateway(broker, tmp_path, log_decisions=True)
        made = [asked.decide(NUMBER, channel="sms", purpose="marketing.offers")]
        with asked:
            asked.wait_until_current(LONG)
            made += [
                asked.decide(NUMBER, channel="sms", purpose=purpose) for purpose in ("marketing", "service.codes") * 500
            ]
            made.append(asked.recheck(made[-1]))
            file = tmp_path / "list.csv"
            file.write_text(f"number\n{NUMBER}\n{OTHER}\n")
            assert asked.scrub(file, tmp_path / "out.csv", None, channel="sms", purpose="service").allowed == 2
        logged = {each.decision_id: each for each in decisions(broker)}
    assert made[0].reason == "stale"
    assert valid_for_s(made[0]) is None
    assert valid_for_s(made[-1]) == pytest.approx(30.0, abs=30.0)
    assert len(logged) == len(made)
    assert asked.journal is not None
    assert asked.journal.facts() == {"decisions_logged": len(made), "decisions_dropped": 0}
    for one in made:
        said = logged[one.decision_id]
        assert (said.allowed, said.reason, said.watermark) == (one.allowed, one.reason, dict(one.watermark))
        assert NUMBER[1:] not in said.model_dump_json()


def test_shadow_mode_answers_allowed_and_says_what_it_would_have_denied(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceRevoked", "number", NUMBER)
        with gateway(broker, tmp_path, log_decisions=True, shadow=True) as asked:
            first = asked.decide(NUMBER, channel="sms", purpose="marketing.offers")
            asked.wait_until_current(LONG)
            wait_until(lambda: offers(asked) == "revoked_by_number", LONG, "the opt-out counts")
            said = asked.decide(NUMBER, channel="sms", purpose="marketing.offers").as_json()
        logged = decisions(broker)
    assert first.allowed
    assert (said["allowed"], said["shadow"]) == (True, {"allowed": False, "reason": "revoked_by_number"})
    assert all(each.shadow and not each.allowed for each in logged)
    assert logged[-1].reason == "revoked_by_number"


def test_a_process_in_shadow_mode_answers_and_logs_the_same_over_http(broker: Broker, tmp_path: Path) -> None:
    question = {"contact": NUMBER, "channel": "sms", "purpose": "marketing.offers"}
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceRevoked", "number", NUMBER)
        ran = Ran(broker, tmp_path / "home", "--shadow")
        ran.says("revoked_by_number")
        said = post(ran.port, "/v1/decisions", orjson.dumps(question)).document
        assert ran.process.stop() == 0
    assert (said["allowed"], said["shadow"]) == (True, {"allowed": False, "reason": "revoked_by_number"})
    [logged] = [one for one in decisions(broker) if one.decision_id == said["decision_id"]]
    assert (logged.shadow, logged.allowed, logged.reason) == (True, False, "revoked_by_number")


def test_a_scrub_goes_by_the_gateways_brand_and_region_and_holds_rows_back_in_shadow_mode_too(
    broker: Broker, tmp_path: Path
) -> None:
    file, allowed, denied = (tmp_path / name for name in ("list.csv", "allowed.csv", "denied.csv"))
    file.write_text(f"number\n416-555-0123\n{OTHER}\nnobody\n")
    service = {"channel": "sms", "purpose": "service"}
    with (
        TableWriter(broker) as ledger,
        ledger.working(),
        gateway(broker, tmp_path, brand="other", region="CA", shadow=True) as asked,
    ):
        with pytest.raises(UnavailableError, match="nothing was written"):
            asked.scrub(file, allowed, denied, **service)
        ledger.says("PreferenceRevoked", "number", NUMBER, scope=Scope(brand="other"))
        wait_until(lambda: asked.decide(NUMBER, **service).reason == "revoked_by_number", LONG, "the opt-out counts")
        result = asked.scrub(file, allowed, denied, **service)
        assert (result.allowed, result.denied) == (1, 2)
        assert allowed.read_text() == f"number\n{OTHER}\n"
        rows = [row.split(",")[:2] for row in denied.read_text().splitlines()]
        assert rows == [["number", "reason"], ["416-555-0123", "revoked_by_number"], ["nobody", "not_a_contact"]]
        assert asked.scrub(file, allowed, None, brand="acme", **service).allowed == 2


def test_a_worker_that_lags_makes_every_copy_stale_and_codes_pass(broker: Broker, tmp_path: Path) -> None:
    with TableWriter(broker, policy=SHORT) as ledger, gateway(broker, tmp_path) as asked:
        with ledger.working():
            asked.wait_until_current(LONG)
            ledger.says("PreferenceGranted", "number", NUMBER)
            wait_until(lambda: offers(asked) == "granted", LONG, "the grant counts")
        ledger.says("PreferenceRevoked", "number", NUMBER)
        assert offers(asked) == "granted"  # nobody can know yet
        wait_until(lambda: offers(asked) == "stale", LONG, "nobody folds, so nobody knows")
        assert (codes(asked), asked.state) == ("never_needs_consent", "stale")
        (tmp_path / "list.csv").write_text(f"number\n{NUMBER}\n")
        with pytest.raises(UnavailableError, match="sms-1 is stale: nothing was written"):
            asked.scrub(tmp_path / "list.csv", tmp_path / "out.csv", None, channel="sms", purpose="service")
        assert not (tmp_path / "out.csv").exists()
        with ledger.working():
            wait_until(lambda: offers(asked) == "revoked_by_number", LONG, "it is folded after all")


def test_a_copy_that_was_never_current_lets_pass_only_what_never_needs_consent(broker: Broker, tmp_path: Path) -> None:
    """It knows the stop switch and has the grant, and nothing says how far the tables of persons have come."""
    with TableWriter(broker, marked=["reference"]) as ledger:
        ledger.says("PreferenceGranted", "number", NUMBER)
        ledger.fold()
        with ledger.working(), gateway(broker, tmp_path) as asked:
            while (said := codes(asked)) != "never_needs_consent":
                assert (said, offers(asked)) == ("stale", "stale")
            wait_until(lambda: len(receipts(broker)) > 2, LONG, "it holds a lease")
            wait_until(lambda: known(asked, NUMBER) != known(asked, OTHER), LONG, "it has the grant")
            assert {(offers(asked), codes(asked)) for _ in range(1_000)} == {("stale", "never_needs_consent")}
            decision = asked.decide(NUMBER, channel="sms", purpose="marketing.offers").as_json()
            assert (asked.state, decision["allowed"], decision["staleness_s"]) == ("starting", False, None)
            assert {one.fresh_for_ms for one in receipts(broker)} == {None}
            ledger.marked = TABLES
            wait_until(lambda: offers(asked) == "granted", LONG, "only that was missing")


def known(asked: Gateway, number: str) -> Contact:
    """What stands of a number in a gateway's copy, whatever may be made of it."""
    return asked.running.replica.contact(digest("number", number))


def test_a_gateway_that_cannot_tell_what_it_applied_may_not_go_on(broker: Broker, tmp_path: Path) -> None:
    """Who waits for it counts its lease from its last receipt: so does it."""
    with TableWriter(broker, policy=SHORT) as ledger, ledger.working(), gateway(broker, tmp_path) as asked:
        asked.wait_until_current(LONG)
        deleting = admin(broker)
        deleting.delete_topics([broker.topics.receipts])
        deleting.close()
        wait_until(lambda: offers(asked) == "stale", LONG, "its lease has run out")
        assert codes(asked) == "never_needs_consent"
        as_of = asked.running.replica.current_as_of
        assert as_of is not None
        assert time.monotonic() - as_of < 4  # it still hears everything


def test_an_hour_without_traffic_by_an_injected_clock(broker: Broker, tmp_path: Path) -> None:
    """Watermarks go on, so a clock that leaps makes the copy stale and the next answer of the broker fresh again."""
    leap = [0.0]

    def offers_an_hour_later() -> str:
        leap[0] += 3_600.0
        return offers(asked)

    with (
        TableWriter(broker) as ledger,
        ledger.working(),
        gateway(broker, tmp_path, clock=lambda: time.monotonic() + leap[0]) as asked,
    ):
        asked.wait_until_current(LONG)
        assert offers(asked) == "no_consent"
        # Again, if the broker's next answer came in between the leap and the question.
        wait_until(lambda: offers_an_hour_later() == "stale", LONG, "nobody has told it anything for an hour")
        assert codes(asked) == "never_needs_consent"
        wait_until(lambda: offers(asked) == "no_consent", LONG, "the broker has answered since the leap")
        as_of = asked.running.replica.current_as_of
        assert as_of is not None
        assert as_of > time.monotonic() + 3_000


@pytest.mark.parametrize("hours", [-1, 1], ids=["behind", "ahead"])
def test_a_clock_an_hour_off_does_not_pass_over_an_opt_out(
    hours: int, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To one that is behind, an opt-out of just now is not made yet; to one that is ahead, one until soon is over."""

    class Off:
        time_ns = staticmethod(lambda: time.time_ns() + hours * HOUR_MS * 10**6)
        monotonic = staticmethod(time.monotonic)

    for module in (running, registering):
        monkeypatch.setattr(module, "time", Off)
    soon = time.time_ns() // 10**6 + HOUR_MS // 2
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceGranted", "number", OTHER)
        ledger.says("PreferenceRevoked", "number", OTHER, valid_until=soon)
        with gateway(broker, tmp_path) as asked:
            while (said := offers(asked, OTHER)) != "revoked_by_number":
                assert said == "stale"  # until it has heard from the broker what time it is
            ledger.says("PreferenceGranted", "number", NUMBER, valid_until=soon)
            wait_until(lambda: offers(asked) == "granted", LONG, "the grant counts")
            ledger.says("PreferenceRevoked", "number", NUMBER)
            wait_until(lambda: offers(asked) == "revoked_by_number", LONG, "the opt-out counts")
            assert abs(asked.running.clock_off_ms + hours * HOUR_MS) < 60_000, "the broker's clock is gone by"
            answered = asked.decide(NUMBER, channel="sms", purpose="marketing.offers")
            assert abs(answered.at - time.time_ns() // 10**6) < 60_000
            (tmp_path / "list.csv").write_text(f"number\n{NUMBER}\n")
            result = asked.scrub(tmp_path / "list.csv", tmp_path / "out.csv", None, channel="sms", purpose="service")
            assert result.by_reason == {"revoked_by_number": 1}
