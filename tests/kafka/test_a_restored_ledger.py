"""The drill of `docs/operations.md`: what it names, put on other machines, is the ledger again.

That is the files of a stopped broker without the tables, the secret, and what checkpoints are held against.
"""

import shutil
from pathlib import Path

import orjson
import pytest

from ledger.broker import Broker
from stack.kafka import Kafka
from tests.consumers.commands import OFFERS, Commands
from tests.kafka.gateways import NUMBER, Ran, post
from tests.kafka.workers import MARKS, Worker, must_be_exact, wait_for_all

pytestmark = MARKS
OF_ACCOUNT, WILLING, ERASED = "+14165550124", "+14165550125", "+14165550126"
KNOWN = {
    NUMBER: "revoked_by_number", OF_ACCOUNT: "revoked_by_account", WILLING: "granted", ERASED: "revoked_by_number",
    "+14165550127": "no_consent",
}  # fmt: skip
"""Whose answer we know."""
OF_NO_USE = ("*.by-number.*", "*.by-account.*", "*.reference.*")


def filled(typed: Commands) -> None:
    """A ledger in which somebody was erased."""
    said = [
        ("topics", "create", "--partitions", "2", "--replication-factor", "1"),
        ("revoke", NUMBER, "--evidence", "STOP"),
        ("link", "account:A-1", OF_ACCOUNT),
        ("revoke", "account:A-1"),
        ("grant", WILLING, *OFFERS, "--basis", "express"),
        ("revoke", ERASED, "--evidence", "my name is Ada"),
        ("erase", ERASED, "--yes"),
    ]
    for arguments in said:
        answer = typed(*arguments)
        assert answer.code == 0, (arguments, answer)


def copied(kafka: Kafka, folder: Path) -> Kafka:
    """A broker on the files of another one that was stopped, but for the tables: they are folded anew."""
    shutil.copytree(kafka.folder, folder, ignore=shutil.ignore_patterns(*OF_NO_USE))
    copy, properties = Kafka(folder), folder / "server.properties"
    text = properties.read_text().replace(str(kafka.folder), str(folder)).replace(kafka.address, copy.address)
    properties.write_text(text.replace(f":{kafka.controller_port}", f":{copy.controller_port}"))
    return copy


@pytest.fixture
def restored(own_kafka: Kafka, tmp_path: Path, commands: Commands) -> Commands:
    """Commands on a machine that has nothing but the secret and what belongs to checkpoints."""
    commands.environment.setenv("PREFLEDGER_LEDGER_URL", f"kafka://{own_kafka.address}")
    filled(commands)
    signed = commands.json("checkpoint", "--out", str(tmp_path / "kept"))
    (tmp_path / "vkey").write_text(signed["key"])
    with Worker(Broker((own_kafka.address,)), tmp_path, "before"):
        wait_for_all(Broker((own_kafka.address,)))
    own_kafka.stop()
    other = tmp_path / "other"
    other.mkdir()
    for name in ("secret", "signing-key"):
        shutil.copy(commands.home / name, other / name)
    shutil.copytree(commands.home / "tlog", other / "tlog")
    commands.environment.setenv("PREFLEDGER_HOME", str(other))
    commands.home = other
    return commands


def test_the_drill(restored: Commands, own_kafka: Kafka, tmp_path: Path) -> None:
    with copied(own_kafka, tmp_path / "restored") as kafka:
        restored.environment.setenv("PREFLEDGER_LEDGER_URL", f"kafka://{kafka.address}")
        broker = Broker((kafka.address,))
        ran = Ran(broker, tmp_path / "gateway", secret=bytes.fromhex((restored.home / "secret").read_text()))
        with ran.process, Worker(broker, tmp_path):
            ran.says("revoked_by_number")
            assert {number: answered(ran.port, number) for number in KNOWN} == KNOWN
            wait_for_all(broker)
            must_be_exact(broker)
        must_be_as_it_was(restored, tmp_path)


def answered(port: int, number: str) -> str:
    """What the gateway says about an offer."""
    question = {"contact": number, "channel": "sms", "purpose": "marketing.offers"}
    return str(post(port, "/v1/decisions", orjson.dumps(question)).document["reason"])


def must_be_as_it_was(restored: Commands, kept: Path) -> None:
    """Decisions, words, proofs; and who was erased is."""
    assert {number: restored.reason(number) for number in KNOWN} == KNOWN
    assert restored("replay").code == 0
    verified = restored.json("verify", str(kept / "kept"), "--key", (kept / "vkey").read_text())
    assert (verified["findings"], verified["covered"] > len(KNOWN)) == ([], True)
    assert "STOP" in restored("reveal", NUMBER).out
    erased = restored("reveal", ERASED)
    assert (erased.code, "Ada" in erased.out) == (1, False)
    assert restored("doctor").code == 0
