"""`projector run` as a process on Kafka and a real PostgreSQL: killed, ended, and its rows made anew."""

import math
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from consumers.bootstrap import open_ledger
from consumers.bootstrap.ledger_log import open_ledger_log
from ledger.requests import Origin, Revoke
from projections.adapters.read_model_engine import engine_of
from schemas.subject import parse_subject
from schemas.times import rfc3339
from stack.processes import Process
from tests.consumers.exporting.tutorial import PAGE, PAIR
from tests.consumers.projector.rows import expected, stored
from tests.databases import new_database, postgres_server
from tests.kafka.stage import COMMAND, Stage

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

FAMILY = [f"+1416555020{number}" for number in range(6)]
SYSTEM = Origin(actor="system:test", source="test")
OFFERS = {"channel": "sms", "purpose": "marketing.offers"}
OPTIONS = ("--channel", "sms", "--purpose", "marketing.offers")
FOLLOWS = "following the ledger"
KILLS = ((False, 0.0), (False, 1.5), (True, 0.0), (True, 0.1), (True, 0.5))
"""Whether it had come to follow the ledger, and how many seconds after the next event it was killed."""
LAST = "SELECT * FROM events WHERE kind = 'account'"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with postgres_server() as server:
        environment = {"PREFLEDGER_DATABASE_URL": new_database(server)}
        with Stage(
            tmp_path_factory.mktemp("stage"), workers=1, gateways=2, partitions=3, environment=environment
        ) as stage:
            stage.run("db", "upgrade")
            yield stage


def projector(stage: Stage) -> Process:
    log = stage.folder / f"projector-{time.monotonic_ns()}.log"
    return Process("projector", [str(COMMAND), "projector", "run"], log, stage.environment)


def asked(stage: Stage, query: str) -> list[tuple[Any, ...]]:
    engine = engine_of(stage.environment["PREFLEDGER_DATABASE_URL"])
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    engine.dispose()
    return found


def revoked(stage: Stage, subject: str) -> str:
    contact = parse_subject(subject)
    request = Revoke(subject=contact, origin=SYSTEM, brand="acme", channel="sms", purpose="marketing.offers")
    with open_ledger(stage.settings) as ledger:
        return ledger.recorder.record(request).event_id


def test_killed_and_ended_it_has_every_row_of_the_topic_once(stage: Stage) -> None:
    stage.run("link", "ACC-1", *FAMILY)
    stage.run("grant", FAMILY[0], *OPTIONS, "--basis", "express")
    for number, (follows, later) in zip(FAMILY, KILLS, strict=False):
        process = projector(stage)
        if follows:
            process.wait_until(lambda process=process: FOLLOWS in process.said(), 60, "it follows")
        revoked(stage, number)
        time.sleep(later)
        process.kill()
    process = projector(stage)
    revoked(stage, "account:ACC-1")
    process.wait_until(lambda: asked(stage, LAST) != [], 90, "it has the last no")
    assert process.stop(30) == 0, process.said()
    assert "everything that was applied is committed" in process.said()
    stage.run("projector", "run", "--once")
    now = time.time_ns() // 1_000_000
    with open_ledger_log(stage.settings) as ledger:
        assert stored(stage.environment["PREFLEDGER_DATABASE_URL"]) == expected(ledger, now)
    assert orjson.loads(stage.run("db", "status", "--json"))["events_behind"] == 0


def the_tutorials_questions_are_answered(stage: Stage, denied: int) -> None:
    """The two whose answers on the page are of made-up rows: here the gateways' receipts and decisions make them."""
    questions = [pair["sql"] for pair in PAIR.finditer(PAGE.read_text("utf-8"))]
    lags: dict[str, list[int]] = {}
    for gateway, lag in asked(stage, "SELECT gateway, lag_ms FROM enforcement WHERE lag_ms IS NOT NULL ORDER BY 2"):
        lags.setdefault(gateway, []).append(lag)
    found = asked(stage, questions[1])
    assert [row[:5] for row in found] == [
        (gateway, len(of), of[math.ceil(len(of) / 2) - 1], of[math.ceil(len(of) * 19 / 20) - 1], of[-1])
        for gateway, of in sorted(lags.items())
    ]
    assert len(found) == len(stage.gateways)
    assert all(row[1] > len(FAMILY) for row in found), "each opt-out at each gateway"
    said = asked(stage, questions[8])  # two rows where an hour has ended in between
    assert {reason for _hour, reason, _many in said} == {"revoked_by_number"}
    assert sum(many for _hour, _reason, many in said) == denied


def test_what_gateways_confirm_and_decide_is_in_the_rows(stage: Stage) -> None:
    process = projector(stage)
    event_id = revoked(stage, FAMILY[-1])
    confirmed = orjson.loads(stage.run("confirm", event_id, "--wait", "30", "--json"))
    denied = [gateway.decide(contact=FAMILY[-1], **OFFERS) for gateway in stage.gateways]
    assert [one and one["allowed"] for one in denied] == [False, False]
    query = f"SELECT gateway, enforced_at FROM enforcement WHERE event_id = '{event_id}' ORDER BY gateway"

    def is_there() -> bool:
        found = asked(stage, query)
        return len(found) == len(stage.gateways) and all(at is not None for _name, at in found)

    process.wait_until(is_there, 90, "it has when the no was in force")
    at = {one["name"]: one["at"] for one in confirmed["gateways"]}
    assert {name: rfc3339(enforced) for name, enforced in asked(stage, query)} == at
    counted = "SELECT sum(count) FROM decisions WHERE answer = 'denied'"
    for gateway in stage.gateways:
        gateway.process.stop()  # a clean stop puts all decisions on record
    assert process.stop(30) == 0
    stage.run("projector", "run", "--once")
    assert asked(stage, counted) == [(len(denied),)]
    the_tutorials_questions_are_answered(stage, len(denied))
    before = asked(stage, "SELECT * FROM enforcement ORDER BY 1, 2")
    stage.run("projector", "replay")
    assert asked(stage, "SELECT * FROM enforcement ORDER BY 1, 2") == before
    assert asked(stage, counted) == [(len(denied),)]
