"""An auditor's questions on Kafka: answered from the gateways' own receipts, from their copies, and by asking them."""

import json
import os
import signal
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from consumers.replica import Replica
from ledger.broker import Broker
from ledger.log import Log, Recorded
from ledger.reference import References
from projections.adapters.memory_view import MemoryView
from projections.catch_up import catch_up
from tests.consumers.commands import OFFERS, Commands
from tests.consumers.outsiders import proves
from tests.kafka.stage import Stage
from tests.kafka.workers import LedgerAsRead

pytestmark = pytest.mark.kafka
FIRST, SECOND, THIRD = "+14165550101", "+14165550102", "+14165550104"
YES = (*OFFERS, "--basis", "express", "--occurred-at", "2013-05-01T12:00:00Z")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), workers=1, gateways=2) as running:
        yield running


@pytest.fixture
def auditor(stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    return stage.commands(capsys, monkeypatch)


def confirmed(auditor: Commands, event_id: str) -> dict[str, Any]:
    found = auditor.json("confirm", event_id, "--wait", "60")
    assert found["state"] == "enforced"
    return found


def test_a_timeline_says_when_a_no_was_in_force_gateway_by_gateway(auditor: Commands) -> None:
    auditor.lines("link", "ACC-77", FIRST)
    auditor.json("grant", FIRST, *YES)
    no = auditor.json("revoke", "account:ACC-77", "--purpose", "marketing")
    confirmation = confirmed(auditor, no["event_id"])
    told = auditor.lines("timeline", FIRST)
    assert [line["type"] for line in told] == ["ContactLinked", "PreferenceGranted", "PreferenceRevoked", "Enforced"]
    assert {name: told[-1][name] for name in confirmation} == confirmation
    assert sorted(one["name"] for one in told[-1]["gateways"]) == ["sms-0", "sms-1"]


def on_record(auditor: Commands, decision_id: str) -> dict[str, Any]:
    """What `explain` says of a decision, once its gateway has written it."""
    end = time.monotonic() + 20
    while (answer := auditor("explain", decision_id, "--json")).code == 2 and time.monotonic() < end:
        time.sleep(0.5)  # a gateway writes its decisions a moment later
    assert answer.code == 0, answer
    return answer.document


def test_what_was_known_before_it_was_told_is_asked_of_the_log_on_kafka(auditor: Commands) -> None:
    auditor.json("grant", SECOND, *YES)
    no = auditor.json("revoke", SECOND, "--purpose", "marketing", "--occurred-at", "2014-01-01T00:00:00Z")
    [yes] = [line for line in auditor.lines("timeline", SECOND) if line["type"] == "PreferenceGranted"]

    def reason(*known: str) -> str:
        found = auditor.json("as-of", "2014-06-01T00:00:00Z", SECOND, *known)
        return next(
            str(one["reason"])
            for one in found["decisions"]
            if (one["purpose"], one["channel"]) == ("marketing.offers", "sms")
        )

    assert reason("--known-at", yes["recorded_at"]) == "granted"
    assert reason("--known-at", no["recorded_at"]) == reason() == "revoked_by_number"
    confirmed(auditor, no["event_id"])


def test_running_gateways_and_a_snapshot_are_asked_for_gaps(auditor: Commands, stage: Stage, tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:{gateway.port}" for gateway in stage.gateways]
    asked = [argument for url in urls for argument in ("--gateway", url)]
    assert auditor.lines("gaps", *asked) == []
    customers = tmp_path / "customers.csv"
    auditor.json("grant", "+14165550103", *YES)
    customers.write_text(f"account,number\nACC-77,{FIRST}\nACC-77,+14165550103\n", "utf-8")
    found = auditor.lines("gaps", *asked, "--accounts", str(customers), code=1)
    offers = [line for line in found if (line.get("purpose"), line.get("channel")) == ("marketing.offers", "sms")]
    assert {(line["contact"], line["copy"], line["got"]) for line in offers} == {
        ("+1416•••0103", url, "granted") for url in urls
    }
    stopped = stage.gateways[1]
    assert stopped.process.stop() == 0
    try:
        snapshot = stage.folder / "sms-1" / "replica.snapshot"
        assert auditor.lines("gaps", "--snapshot", str(snapshot)) == []
    finally:
        stopped.start()
        stopped.ready()


def test_the_commands_find_and_replay_what_gateways_decided(auditor: Commands, stage: Stage) -> None:
    gateway, later = stage.gateways[0], "2035-01-01T12:00:00Z"
    confirmed(auditor, auditor.json("grant", THIRD, *YES)["event_id"])

    def decided(**more: object) -> dict[str, Any]:
        found = gateway.decide(contact=THIRD, channel="sms", purpose="marketing.offers", at=later, **more)
        assert found
        assert found["allowed"]
        return found

    first, sent = decided(), decided()
    waited = decided(decision_id=first["decision_id"])
    no = auditor.json("revoke", THIRD)
    confirmed(auditor, no["event_id"])

    for one in (waited, sent, first):
        assert one["decision_id"] in orjson.dumps(on_record(auditor, one["decision_id"])).decode()
    assert auditor("replay", "--decisions").code == 0

    found = [one for one in auditor.lines("violations", code=1) if one["subject"] == "+1416•••0104"]
    assert {one["source"] for one in found} == {waited["decision_id"], sent["decision_id"]}, "one message waited"
    assert {(one["reason"], one["gateway"]) for one in found} == {("revoked_by_number", "sms-0")}
    assert {(one["recorded_at"], one["after"]) for one in found} == {(no["recorded_at"], "enforced")}
    others = auditor.lines("violations", "--all-reasons", code=1)
    assert [one for one in others if one["subject"] == "+1416•••0104"] == found


def test_who_worked_by_a_withdrawn_procedure_and_who_else_is_affected(auditor: Commands) -> None:
    first, second, account = "+16045550111", "+16045550112", "ACC-78"
    for version in ("opt-out@1", "opt-out@2"):
        auditor.json("procedure", "publish", version, "--occurred-at", "2012-01-01T00:00:00Z")
    assert auditor.lines("procedures") != [], "versions are listed; nobody has made a change under one yet"
    auditor.json("procedure", "withdraw", "opt-out@1", "--occurred-at", "2014-03-01T00:00:00Z")
    auditor.json("procedure", "acknowledge", "opt-out@2", "--actor", "agent:ben")
    auditor.lines("link", account, first, second)
    for number in (first, second):
        auditor.json("grant", number, *YES)
    outdated = ("--actor", "agent:ada", "--procedure", "opt-out@1", "--reach", "contact")
    no = auditor.json("revoke", first, *outdated)
    found = auditor.lines("procedures", code=1)
    [step] = [one for one in found if one["kind"] == "misstep"]
    assert (step["event_id"], step["subject"], step["standing"]) == (no["event_id"], "+1604•••0111", "withdrawn")
    [other] = [one for one in found if one["kind"] == "affected"]
    assert (other["subject"], other["account"], other["state"]) == ("+1604•••0112", "account:ACC-78", "reachable")
    versions = {one["procedure"]: one["not_acknowledged_by"] for one in found if one["kind"] == "version"}
    assert versions == {"opt-out@1": [], "opt-out@2": ["agent:ada"]}
    right = auditor.json("revoke", f"account:{account}")
    [other] = [one for one in auditor.lines("procedures", code=1) if one["kind"] == "affected"]
    assert (other["state"], other["evidence"], other["set_right_at"]) == (
        "set_right", [right["event_id"]], right["recorded_at"],
    )  # fmt: skip
    confirmed(auditor, right["event_id"])


def test_events_are_signed_and_proved_and_a_changed_proof_is_found(auditor: Commands, tmp_path: Path) -> None:
    no = auditor.json("revoke", "+14165550105")
    signed = auditor.json("checkpoint", "--out", str(tmp_path / "kept"))
    assert len(signed["partitions"]) > 1, "every partition has a tree of its own"
    proof = auditor.json("prove", no["event_id"])
    assert proof["position"][0] == no["position"][0]
    assert proof["key"] == signed["key"]
    assert proves(tmp_path, proof)
    forged = b64decode(proof["leaf"]).replace(b"PreferenceRevoked", b"PreferenceGranted")
    assert not proves(tmp_path, proof | {"leaf": b64encode(forged).decode()})
    auditor.json("revoke", "+14165550106")
    auditor.json("checkpoint")
    verified = auditor.json("verify", str(tmp_path / "kept"), "--key", signed["key"])
    assert (verified["findings"], verified["covered"] > signed["entries"]) == ([], True)
    note = (tmp_path / "kept").read_text("utf-8").splitlines()
    note[1] = str(int(note[1]) - 1)
    (tmp_path / "forged").write_text("\n".join(note) + "\n", "utf-8")
    assert auditor.json("verify", str(tmp_path / "forged"), "--key", signed["key"], code=1)["findings"]


def test_a_bundle_of_a_ledger_on_kafka_is_checked_with_the_log_and_misses_nothing(
    auditor: Commands, tmp_path: Path
) -> None:
    number, file = "+14165550107", tmp_path / "bundle.json"
    auditor.lines("link", "ACC-79", number)
    auditor.json("revoke", number, "--evidence", "STOP, and I mean it", "--actor", "person")
    auditor.json("revoke", "account:ACC-79")
    key = auditor.json("checkpoint", "--out", str(tmp_path / "kept"))["key"]
    made = auditor.json("bundle", number, str(file))
    assert (made["key"], made["evidence"]) == (key, 1)
    assert auditor("verify", "--export", str(tmp_path / "log")).code == 0
    asked = ("verify-bundle", str(file), "--key", key, "--log", str(tmp_path / "log"))
    asked = (*asked, "--checkpoint", str(tmp_path / "kept"))
    assert auditor.json(*asked) == {"holds": True, "wrong": [], "unchecked": [], "key_given": True, "complete": True}
    document = json.loads(file.read_bytes())
    document["entries"] = [one for one in document["entries"] if b"PreferenceRevoked" not in b64decode(one["leaf"])]
    document["evidence"] = []
    file.write_text(json.dumps(document), "utf-8")
    wrong = auditor.json(*asked, code=1)["wrong"]
    assert [line.partition(":")[0] for line in wrong] == ["an event was left out"] * 2


def test_a_gateway_that_hung_is_named_by_the_opt_outs_that_were_late(auditor: Commands, stage: Stage) -> None:
    slow = stage.gateways[0]
    pid = slow.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        no = auditor.json("revoke", "+14165550199")
        time.sleep(6)
    finally:
        os.kill(pid, signal.SIGCONT)
    confirmation = confirmed(auditor, no["event_id"])
    [found] = [one for one in auditor.lines("late", "--within", "5s", code=1) if one["event_id"] == no["event_id"]]
    assert found["enforced_at"] == confirmation["enforced_at"]
    assert "sms-0" in found["gateways"]
    assert found["lag_s"] >= 5
    assert no["event_id"] not in {one["event_id"] for one in auditor.lines("late", "--within", "10m")}


def test_a_timeline_has_events_follow_ups_decisions_and_confirmations_in_one_order(
    auditor: Commands, stage: Stage
) -> None:
    number, account = "+14165550108", "account:ACC-80"
    auditor.json("procedure", "publish", "call@1")
    auditor.lines("link", "ACC-80", number)
    yes = auditor.json("grant", number, *YES)
    confirmed(auditor, yes["event_id"])

    def decided() -> str:
        found = stage.gateways[0].decide(contact=number, channel="sms", purpose="marketing.offers")
        assert found
        return str(on_record(auditor, found["decision_id"])["decision_id"])

    first = decided()
    auditor.json("revoke", number, "--channel", "email", "--evidence", "No mail", "--actor", "person")
    no = auditor.json("revoke", account, "--channel", "smoke", "--actor", "agent:ben", "--procedure", "call@1")
    confirmed(auditor, no["event_id"])
    second = decided()
    waiting = [one for one in auditor.lines("follow-ups", "list") if one["subject"] == account]
    auditor.json("follow-ups", "resolve", waiting[0]["follow_up"], "--actor", "agent:ben")
    auditor.lines("unlink", "ACC-80", number)
    told = auditor.lines("timeline", number)
    assert [(line["type"], line.get("via")) for line in told if line["type"] != "Enforced"] == [
        ("ContactLinked", None),
        ("PreferenceGranted", None),
        ("Decision", None),
        ("PreferenceRevoked", None),
        ("PreferenceRevoked", account),
        *(("FollowUpOpened", account) for _ in waiting),
        ("Decision", None),
        ("FollowUpResolved", account),
        ("ContactUnlinked", None),
    ]
    kinds = [line["type"] for line in told]
    assert kinds.index("Enforced") > kinds.index("PreferenceRevoked")
    last = len(kinds) - 1 - kinds[::-1].index("Decision")
    assert kinds[last - 1] == "Enforced", "what was in force everywhere was asked about next"
    assert told[last - 1]["event_id"] == no["event_id"]
    assert [line["about"] for line in told if line["type"] == "Decision"] == [first, second]
    assert told[last]["evidence"] == [no["event_id"]]
    said, by = [line for line in told if line["type"] == "PreferenceRevoked"]
    assert (said["actor"], len(said["evidence"]["commitment"])) == ("person", 64)
    assert (by["event_id"], by["actor"], by["procedure"]) == (no["event_id"], "agent:ben", "call@1")


class Without(LedgerAsRead):
    """The ledger as a copy has it that has lost one event."""

    def __init__(self, broker: Broker, event_id: str) -> None:
        super().__init__(broker)
        self._lost = event_id.encode()

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        return (each for each in super().read(partition, start, end) if self._lost not in each.value)


def test_a_gateway_whose_copy_has_lost_a_no_is_named_and_the_others_are_not(auditor: Commands, stage: Stage) -> None:
    """The last test of the stage: what this gateway answers from then on is on record, and wrong."""
    number, spoiled = "+14165550109", stage.gateways[1]
    auditor.json("grant", number, *YES)
    no = auditor.json("revoke", number, "--purpose", "marketing")["event_id"]
    confirmed(auditor, no)
    snapshot, urls = stage.snapshot_of(spoiled), [f"http://127.0.0.1:{one.port}" for one in stage.gateways]
    asked = [argument for url in urls for argument in ("--gateway", url)]

    def uncovered(*options: str) -> set[tuple[str, ...]]:
        found = [line for line in auditor.lines("gaps", *options, code=1) if line["gap"] == "uncovered"]
        return {(line["copy"], line["contact"], line["channel"], *line["evidence"]) for line in found}

    assert spoiled.process.stop() == 0
    fingerprint = References(bytes.fromhex(stage.settings.secret_file.read_text().strip())).fingerprint
    own, view = Replica.open(snapshot, fingerprint), MemoryView()
    catch_up(cast(Log, Without(stage.settings.broker(), no)), view)
    copy = Replica.of_parts(view.all_parts(), own.watermark(), fingerprint)
    copy.notes = own.notes
    copy.save(snapshot)
    assert uncovered("--snapshot", str(snapshot)) == {(str(snapshot), "+1416•••0109", "sms", no)}
    spoiled.start()
    spoiled.ready()
    assert auditor("replay", "--decisions").code == 0
    assert uncovered(*asked) == {(urls[1], "+1416•••0109", "sms", no)}
    said = spoiled.decide(contact=number, channel="sms", purpose="marketing.offers")
    assert said
    assert said["reason"] == "granted"
    end = time.monotonic() + 20
    while (found := auditor("replay", "--decisions")).code == 0 and time.monotonic() < end:
        time.sleep(0.5)  # a gateway writes its decisions a moment later
    assert found.code == 1
    assert f"{said['decision_id']}" in found.out
    assert "; 1 differ" in found.out, "nothing goes out on what the audit asked, so it is not on record"
    assert "(gateway sms-1) differs" in found.out
    assert "gateway sms-0" not in found.out, "what the others answered is what the ledger gives"
