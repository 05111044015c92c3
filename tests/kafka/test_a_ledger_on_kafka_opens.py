"""A ledger on Kafka opens where its topics, its settings and its secret are right, and says what is wrong elsewhere."""

import subprocess
import sys
import uuid
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from consumers.bootstrap import open_ledger
from consumers.bootstrap.distributed import Layout, described, make_topics
from consumers.cli.main import run
from consumers.doctor import examine
from consumers.replay import replay
from consumers.settings import Settings
from ledger.adapters.kafka_append import KafkaAppend
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.errors import NotALedgerError, RefusedError, WrongSecretError
from ledger.log import Entry, Recorded
from ledger.record import system_clock
from ledger.requests import Origin, Revoke
from schemas.encoding import decode
from stack.processes import free_port
from tests.contracts.log import entry
from tests.ledger.door import NUMBER

pytestmark = pytest.mark.kafka


def entry_of(recorded: Recorded) -> Entry:
    """The entry behind an event that is in a log."""
    event = decode(recorded.value)
    return Entry(recorded.key, recorded.value, event.event_id, event.idempotency_key, event.content)


LAYOUT = Layout(partitions=3, replication_factor=1)


@pytest.fixture
def settings(broker_address: str, tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home", ledger_url=f"kafka://{broker_address}", topics_prefix=f"t-{uuid.uuid4().hex[:12]}"
    )


def test_a_ledger_is_made_once_and_everything_asks_it_as_if_it_were_a_file(settings: Settings) -> None:
    assert len(make_topics(settings, LAYOUT)) == 10
    assert make_topics(settings, LAYOUT) == []
    with open_ledger(settings) as ledger:
        receipt = ledger.recorder.record(
            Revoke(subject=NUMBER, origin=Origin(actor="person", source="sms"), evidence="STOP", idempotency_key="k")
        )
        replayed = replay(ledger.log, ledger.store())
        assert (replayed.events, replayed.differences) == (3, [])
        assert all(finding.severity == "ok" for finding in examine(ledger, system_clock()))
    with open_ledger(settings) as ledger:
        said = ledger.people.evidence(ledger.ref(NUMBER), receipt.event_id)
        assert said is not None
        assert said.text == "STOP"


def test_topics_that_were_made_half_way_are_finished(settings: Settings) -> None:
    make_topics(settings, LAYOUT)
    with open_ledger(settings) as ledger:
        [opened] = ledger.log.read_subject("operator:ledger")
    half = settings.model_copy(update={"topics_prefix": f"{settings.topics_prefix}-half"})
    make_topics(half, LAYOUT, empty=True)
    with closing(KafkaAppend(half.broker())) as blind:
        blind.append([entry_of(opened)])
    make_topics(half, LAYOUT)
    with open_ledger(half) as ledger:
        assert len(list(ledger.log.read_subject("operator:ledger"))) == 1
        assert ledger.brand() == "acme"


def test_without_topics_it_says_how_to_make_them(settings: Settings) -> None:
    settings.secret_file.parent.mkdir()
    with pytest.raises(NotALedgerError, match="run prefledger topics create"):
        open_ledger(settings)


def test_empty_topics_are_no_ledger_yet(settings: Settings) -> None:
    make_topics(settings, LAYOUT, empty=True)
    settings.secret_file.write_text("00" * 32)
    with pytest.raises(NotALedgerError, match="holds no ledger yet"):
        open_ledger(settings)


def test_another_secret_and_a_missing_one_are_refused(settings: Settings) -> None:
    make_topics(settings, LAYOUT)
    right = settings.secret_file.read_text()
    settings.secret_file.write_text("11" * 32)
    with pytest.raises(WrongSecretError):
        open_ledger(settings.model_copy(update={"home": settings.home / "elsewhere"}))
    with pytest.raises(WrongSecretError):
        make_topics(settings.model_copy(update={"home": settings.home / "elsewhere"}), LAYOUT)
    settings.secret_file.unlink()
    with pytest.raises(WrongSecretError, match="missing"):
        open_ledger(settings)
    with pytest.raises(WrongSecretError, match="missing"):
        make_topics(settings, LAYOUT)
    settings.secret_file.write_text(right)
    open_ledger(settings).open_objects.close()


def test_a_topic_that_begins_with_something_else_is_no_ledger(settings: Settings) -> None:
    make_topics(settings, LAYOUT, empty=True)
    with closing(KafkaAppend(settings.broker())) as blind:
        blind.append([entry("operator:ledger")])
    settings.secret_file.write_text("00" * 32)
    with pytest.raises(NotALedgerError):
        open_ledger(settings)


@pytest.mark.parametrize(
    ("topic", "setting", "found", "wanted"),
    [
        ("ledger", "retention.ms", "604800000", "-1"),
        ("ledger", "message.timestamp.type", "CreateTime", "LogAppendTime"),
        ("identities", "cleanup.policy", "delete", "compact"),
    ],
)
def test_a_setting_that_has_drifted_is_named(
    settings: Settings, topic: str, setting: str, found: str, wanted: str
) -> None:
    make_topics(settings, LAYOUT)
    name = getattr(settings.broker().topics, topic)
    with closing(KafkaTopics(settings.broker())) as topics:
        topics.set(name, {setting: found})
    with pytest.raises(NotALedgerError, match=f"{name} has {setting}={found}, and a ledger needs {wanted}"):
        open_ledger(settings)
    assert len(described(settings.broker())[1]) == 1


def test_one_broker_cannot_hold_three_copies_and_partitions_cannot_change(settings: Settings) -> None:
    with pytest.raises(RefusedError, match="--replication-factor 1"):
        make_topics(settings, Layout())
    make_topics(settings, LAYOUT, empty=True)
    with pytest.raises(RefusedError, match="cannot be changed"):
        make_topics(settings, Layout(partitions=5, replication_factor=1))


def test_the_commands_work_as_on_a_file_and_say_when_the_broker_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("PREFLEDGER_HOME", str(settings.home))
    monkeypatch.setenv("PREFLEDGER_LEDGER_URL", settings.ledger_url)
    monkeypatch.setenv("PREFLEDGER_TOPICS_PREFIX", settings.topics_prefix)
    assert run(["topics", "create", "--replication-factor", "1", "--partitions", "2"]) == 0
    assert run(["topics", "describe", "--json"]) == 0
    assert run(["revoke", "+14165550123", "--idempotency-key", "k", "--json"]) == 0
    assert run(["revoke", "+14165550123", "--idempotency-key", "k", "--json"]) == 0
    first, again = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()[-2:]]
    assert (first["event_id"], first["duplicate"], again["duplicate"]) == (again["event_id"], False, True)
    assert run(["decide", "+14165550123", "--channel", "sms", "--purpose", "marketing.offers"]) == 1
    assert run(["backup", str(settings.home / "backup.tar")]) == 2
    monkeypatch.setenv("PREFLEDGER_LEDGER_URL", f"kafka://127.0.0.1:{free_port()}")
    command = [sys.executable, "-m", "consumers.cli.main", "revoke", "+14165550123"]
    away = subprocess.run(command, check=False, capture_output=True)
    assert away.returncode == 3
    assert b"nothing was acknowledged" in away.stderr
