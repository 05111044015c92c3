"""How old a policy lets a gateway's copy be, and how soon the tables are compacted: they must go together."""

from contextlib import closing
from pathlib import Path

import orjson
import pytest

from ledger.adapters.kafka_topics import KafkaTopics
from ledger.broker import Broker
from stack.processes import wait_until
from tests.consumers.commands import Answer, Commands
from tests.kafka.workers import LONG, MARKS

pytestmark = MARKS
SETTING = "min.compaction.lag.ms"
CREATE = ("topics", "create", "--partitions", "1", "--replication-factor", "1")


def set_lag(broker: Broker, lag: int) -> None:
    """All three tables are compacted after so many milliseconds."""
    with closing(KafkaTopics(broker)) as topics:
        for name in broker.topics.tables.values():
            topics.set(name, {SETTING: str(lag)})
        wait_until(lambda: set(lags(broker)) == {str(lag)}, LONG, "it is so")


def lags(broker: Broker) -> list[str]:
    """What the three tables are set to."""
    with closing(KafkaTopics(broker)) as topics:
        there = topics.describe()
    return [there[name].settings[SETTING] for name in broker.topics.tables.values()]


def published(typed: Commands, folder: Path, seconds: float) -> Answer:
    """The policy in force with another limit for services, as a version of its own."""
    policy = typed.json("policy", "show")
    policy["purposes"]["service"]["max_staleness_s"] = seconds
    file = folder / "policy.json"
    file.write_bytes(orjson.dumps(policy | {"version": f"{seconds:g}", "effective_from": "2000-01-01T00:00:00Z"}))
    return typed("policy", "publish", str(file))


def problems(typed: Commands) -> list[str]:
    """What a doctor finds wrong with it."""
    found = typed("doctor", "--json").lines
    return [line["what"] for line in found if line["severity"] == "problem" and SETTING in line["what"]]


def test_a_policy_waits_for_the_tables_and_a_doctor_tells_where_they_do_not_go_together(
    broker: Broker, typed: Commands, tmp_path: Path
) -> None:
    assert typed(*CREATE).code == 0
    said = published(typed, tmp_path, 330)
    assert said.code == 2
    assert "default@330 lets a gateway's copy be 330 s old" in said.err
    assert f"{SETTING} of the three tables above 660000" in said.err
    assert typed.json("policy", "show")["version"] == "1"
    set_lag(broker, 660_001)
    assert published(typed, tmp_path, 330).code == 0
    assert problems(typed) == []
    set_lag(broker, 660_000)
    [problem] = problems(typed)
    assert "default@330 lets a gateway's copy be 330 s old" in problem
    assert typed("doctor").code == 1


@pytest.mark.parametrize("asked", ["1", "600"])
def test_tables_are_made_for_the_policy_that_is_published_with_them(
    asked: str, broker: Broker, typed: Commands
) -> None:
    assert typed(*CREATE, "--max-staleness", asked).code == 0
    assert set(lags(broker)) == {{"1": "660000", "600": "1260000"}[asked]}
    assert problems(typed) == []
