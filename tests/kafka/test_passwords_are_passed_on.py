"""A broker that asks who one is: log, topics, worker and gateway all say so, as the settings tell them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.kafka import Kafka
from tests.kafka.stage import Stage

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

USER, PASSWORD = "ledger", "not-in-any-image"
MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
LISTENER = "listener.name.sasl_plaintext"
ASKS_WHO = {
    "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    f"{LISTENER}.plain.sasl.jaas.config": (
        f'{MODULE} required username="{USER}" password="{PASSWORD}" user_{USER}="{PASSWORD}";'
    ),
}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    environment = {
        "PREFLEDGER_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "PREFLEDGER_KAFKA_SASL_MECHANISM": "PLAIN",
        "PREFLEDGER_KAFKA_SASL_USERNAME": USER,
        "PREFLEDGER_KAFKA_SASL_PASSWORD_FILE": str(password),
    }
    stage = Stage(tmp_path, workers=1, gateways=1, environment=environment)
    stage.kafka = Kafka(tmp_path / "kafka", ASKS_WHO, stage.kafka.port, protocol="SASL_PLAINTEXT")
    yield stage
    stage.stop()


def test_every_client_gets_in_with_the_password_and_none_without(stage: Stage) -> None:
    with stage:
        stage.run("revoke", "+14165550123")
        said = stage.gateways[0].decide(contact="+14165550123", channel="sms", purpose="service.notices")
        assert said is not None
        del stage.environment["PREFLEDGER_KAFKA_SASL_PASSWORD_FILE"]
        said_without = stage.run("revoke", "+14165550124", expected=3)
        assert PASSWORD not in said_without
    logs = "".join(path.read_text("utf-8", "replace") for path in stage.folder.glob("*.log"))
    assert PASSWORD not in logs
