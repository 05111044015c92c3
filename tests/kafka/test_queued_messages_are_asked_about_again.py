"""`POST /v1/decisions/recheck`, over loopback: a message that had to wait is asked about again before it is sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from ledger.broker import Broker
from stack.processes import wait_until
from tests.kafka.gateways import LONG, NUMBER, Ran, decisions, post, receipts
from tests.kafka.table_writer import TableWriter
from tests.kafka.workers import MARKS

pytestmark = MARKS
ASK, AGAIN = "/v1/decisions", "/v1/decisions/recheck"
QUESTION = {"contact": NUMBER, "channel": "sms", "purpose": "marketing.offers"}
UNHEARD = "0199a0a8-3c00-7000-8000-00000000cccc"
PROBLEM = "application/problem+json"


def said(ran: Ran, path: str, **more: object) -> dict[str, Any]:
    """The answer to the question."""
    answer = post(ran.port, path, orjson.dumps(QUESTION | more))
    assert answer.status == 200, answer
    document: dict[str, Any] = answer.document
    return document


@pytest.fixture
def ledger(broker: Broker) -> Iterator[TableWriter]:
    """A ledger that is folded all the time, with one number that said yes."""
    with TableWriter(broker) as ledger, ledger.working():
        ledger.says("PreferenceGranted", "number", NUMBER)
        yield ledger


def test_an_opt_out_that_was_applied_meanwhile_denies_a_message_that_waits(
    broker: Broker, tmp_path: Path, ledger: TableWriter
) -> None:
    ran = Ran(broker, tmp_path / "home")
    ran.says("granted")
    first = said(ran, ASK)
    assert (first["allowed"], first["reason"], first.get("rechecks")) == (True, "granted", None)
    still = said(ran, AGAIN, decision_id=first["decision_id"])
    assert (still["allowed"], still["reason"], still["rechecks"]) == (True, "granted", first["decision_id"])
    assert 0 < still["valid_for_s"] <= 30
    [(partition, offset)] = ledger.says("PreferenceRevoked", "number", NUMBER).items()
    wait_until(lambda: receipts(broker)[-1].watermark.get(partition, 0) >= offset, LONG, "it has told that it applied")
    last = said(ran, AGAIN, decision_id=still["decision_id"])
    assert (last["allowed"], last["reason"], last["rechecks"]) == (False, "revoked_by_number", still["decision_id"])
    assert last["valid_for_s"] is None
    assert last["watermark"][str(partition)] >= offset
    assert ran.process.stop() == 0
    chain = {one.decision_id: (one.allowed, one.rechecks) for one in decisions(broker)}
    assert chain[first["decision_id"]] == (True, None)
    assert chain[still["decision_id"]] == (True, first["decision_id"])
    assert chain[last["decision_id"]] == (False, still["decision_id"])


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "the body is no JSON"),
    "cut off": (orjson.dumps(QUESTION)[:-1], "the body is no JSON"),
    "no object": (b"[]", "the body is no object"),
    "an id alone": (orjson.dumps({"decision_id": UNHEARD}), "channel: Field required"),
    "no contact": (
        orjson.dumps({"channel": "sms", "purpose": "marketing.offers", "decision_id": UNHEARD}),
        "name the contact, once",
    ),
    "no id": (orjson.dumps(QUESTION | {"decision_id": f"the one about {NUMBER}"}), "decision_id: String should match"),
    "an id of another kind": (
        orjson.dumps(QUESTION | {"decision_id": "6b0f2f0e-0000-4000-8000-000000000000"}),
        "decision_id: String should match",
    ),
    "a field too many": (orjson.dumps(QUESTION | {"rechecks": UNHEARD}), "rechecks: Extra inputs"),
}


def test_a_body_that_is_no_question_is_refused_and_on_record_nowhere(
    broker: Broker, tmp_path: Path, ledger: TableWriter
) -> None:
    ran = Ran(broker, tmp_path / "home")
    ran.says("granted")
    answers = {name: post(ran.port, AGAIN, body) for name, (body, _) in BAD.items()}
    unheard = said(ran, AGAIN, decision_id=UNHEARD)
    many = [QUESTION | {"decision_id": UNHEARD}, QUESTION | {"decision_id": "none"}]
    both = post(ran.port, AGAIN, orjson.dumps({"decisions": many}))
    assert ran.process.stop() == 0
    for name, (_, detail) in BAD.items():
        answer = answers[name]
        assert (answer.status, answer.type, answer.document["status"]) == (400, PROBLEM, 400), name
        assert detail in answer.document["detail"], name
        assert NUMBER not in orjson.dumps(answer.document).decode(), name
    # A gateway keeps no decisions, and the first may be another process's: the message is asked about as any other.
    assert (unheard["allowed"], unheard["rechecks"]) == (True, UNHEARD)
    good, bad = both.document["decisions"]
    assert (both.status, good["allowed"], good["rechecks"]) == (200, True, UNHEARD)
    assert (bad["allowed"], bad["problem"]["status"]) == (False, 400)
    again = {one.decision_id for one in decisions(broker) if one.rechecks}
    assert again == {unheard["decision_id"], good["decision_id"]}
