"""A broker that takes TLS only, asks for certificate and password, and lets each role do what the operator's page says.

The page's own commands are what it is told; whoever it does not name may do nothing.
"""

import argparse
import re
import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from ledger.adapters.kafka_client import consumer, library, producer
from ledger.broker import Broker
from stack.kafka import Kafka
from tests.kafka.certificates import Authority
from tests.kafka.stage import Part, Stage
from tests.kafka.workers import told

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
ROLES = {
    "door": "door (", "worker": "worker |", "gateway": "gateway |", "auditor": "confirmation, auditor",
    "persons": "auditor of persons", "projector": "projector |", "analyst": "data team |", "agent": "care agent",
}  # fmt: skip
"""The users, and how their lines of the page's table begin."""
SAME = {"projector": "auditor", "agent": "door"}
"""Users who get what another one gets, as the page says in words."""
PASSWORDS = {name: f"{name}-has-a-password" for name in ("admin", "nobody", *ROLES)}
PROTOCOL = "SASL_SSL"
LISTENER = "listener.name.sasl_ssl"
MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


def asks_who(authority: Authority) -> dict[str, str]:
    """Settings of the broker; its controller is nobody, on a listener of its own."""
    certificate, key = authority.signed("broker")
    both = certificate.with_name("broker-both.pem")
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
    return {
        "listener.security.protocol.map": f"{PROTOCOL}:{PROTOCOL},CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": PROTOCOL,
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        f"{LISTENER}.plain.sasl.jaas.config": (
            f'{MODULE} required username="admin" password="{PASSWORDS["admin"]}" {users};'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        f"{LISTENER}.ssl.client.auth": "required",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin;User:ANONYMOUS",
    }


class Roles(Stage):
    """Each of its processes says that it is another one, as its settings tell it."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "tls")
        super().__init__(folder, workers=1, gateways=1, partitions=2)
        self.environment |= self.of("door")
        self.kafka = Kafka(folder / "kafka", asks_who(self.authority), self.kafka.port, protocol=PROTOCOL)

    def files_of(self, name: str) -> tuple[Path, Path, Path]:
        """Certificate, its key and the password of this user."""
        password = self.folder / "tls" / f"{name}.password"
        password.write_text(PASSWORDS[name] + "\n")
        return (*self.authority.signed(name), password)

    def broker_of(self, name: str) -> Broker:
        """By which a client of this process is this user."""
        certificate, key, password = self.files_of(name)
        return Broker(
            (self.kafka.address,), security_protocol=PROTOCOL, sasl_mechanism="PLAIN", sasl_username=name,
            sasl_password_file=password, ca_file=self.authority.file, cert_file=certificate, key_file=key,
        )  # fmt: skip

    def of(self, name: str) -> dict[str, str]:
        """The settings by which a client is this user."""
        certificate, key, password = self.files_of(name)
        return {
            "PREFLEDGER_KAFKA_SECURITY_PROTOCOL": PROTOCOL,
            "PREFLEDGER_KAFKA_SASL_MECHANISM": "PLAIN",
            "PREFLEDGER_KAFKA_SASL_USERNAME": name,
            "PREFLEDGER_KAFKA_SASL_PASSWORD_FILE": str(password),
            "PREFLEDGER_KAFKA_CA_FILE": str(self.authority.file),
            "PREFLEDGER_KAFKA_CERT_FILE": str(certificate),
            "PREFLEDGER_KAFKA_KEY_FILE": str(key),
        }

    def _worker(self, number: int) -> Part:
        return self._as("worker", super()._worker(number))

    def _gateway(self, number: int) -> Part:
        return self._as("gateway", super()._gateway(number))

    def _as(self, name: str, part: Part) -> Part:
        part.environment = {**part.environment, **self.of(name)}
        return part

    def run_as(self, name: str, *arguments: str, expected: int = 0) -> str:
        """A command, typed by this user."""
        before = dict(self.environment)
        self.environment |= self.of(name)
        try:
            return self.run(*arguments, expected=expected)
        finally:
            self.environment.clear()
            self.environment |= before

    def start(self) -> "Roles":
        """The broker, the topics made by its administrator, what the page tells it, and then the processes."""
        self.kafka.start()
        self.run_as("admin", "topics", "create", "--partitions", "2", "--replication-factor", "1")
        self._tell_what_the_page_says()
        for part in (*self.workers, *self.gateways):
            part.start()
        for part in (*self.workers, *self.gateways):
            part.ready()
        return self

    def _tell_what_the_page_says(self) -> None:
        client = library().KafkaAdminClient(**self.broker_of("admin").options())
        client.create_acls([acl for command in commands_of_the_page() for acl in acls_of(command)])
        client.close()


def commands_of_the_page() -> list[str]:
    """Every command of `kafka-acls` that the page gives, and again for those who get the same."""
    found = re.findall(r"^kafka-acls .*$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(found) >= 8
    for user, like in SAME.items():
        found += [one.replace(f"User:{like} ", f"User:{user} ") for one in found if f"User:{like} " in one]
    return found


def acls_of(command: str) -> list[Any]:
    """What Kafka's tool makes of its arguments."""
    admin = library().admin
    parser = argparse.ArgumentParser()
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", required=True)
    parser.add_argument("--resource-pattern-type", default="literal")
    for kind in ("--topic", "--group", "--transactional-id"):
        parser.add_argument(kind)
    parser.add_argument("--cluster", action="store_const", const="kafka-cluster")
    said = parser.parse_args(shlex.split(command)[1:])
    kinds = {"TOPIC": said.topic, "GROUP": said.group, "TRANSACTIONAL_ID": said.transactional_id}
    kinds["CLUSTER"] = said.cluster
    pattern = admin.ACLResourcePatternType[said.resource_pattern_type.upper()]
    return [
        admin.ACL(
            said.allow_principal, "*", admin.ACLOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()],
            admin.ACLPermissionType.ALLOW, admin.ResourcePattern(admin.ResourceType[kind], name, pattern),
        )
        for operation in said.operation
        for kind, name in kinds.items()
        if name
    ]  # fmt: skip


ALIKE = {"as door": "door", "as auditor of the log": "auditor"}
"""What the table says instead of topics, and of whom."""
TOPICS = (
    "ledger", "by-number", "by-account", "reference", "rejected", "identities", "evidence", "receipts", "decisions",
    "replies",
)  # fmt: skip


def topics_of_the_table(user: str) -> dict[str, set[str]]:
    """Which topics a user reads and writes by the table of the page; what it only describes comes after a semicolon."""
    [line] = re.findall(rf"^\| {re.escape(ROLES[user])}.*$", PAGE.read_text("utf-8"), re.MULTILINE)
    cells = line.split("|")[2:4]
    said = [
        re.sub(r"\(.*?\)", "", cell.partition(";")[0]).replace("the three tables", "by-, reference") for cell in cells
    ]
    found: dict[str, set[str]] = {}
    for name, cell in zip(("READ", "WRITE"), said, strict=True):
        words = {word.strip() for word in cell.split(",") if word.strip()}
        like = [topics_of_the_table(ALIKE[word])[name] for word in words & ALIKE.keys()]
        found[name] = (words - ALIKE.keys()).union(*like)
    return found


def topics_of_the_commands(user: str) -> dict[str, set[str]]:
    """The same by the commands of the page."""
    found: dict[str, set[str]] = {"READ": set(), "WRITE": set()}
    for acl in (acl for command in commands_of_the_page() for acl in acls_of(command)):
        resource = acl.resource_pattern
        if acl.principal == f"User:{user}" and resource.resource_type.name == "TOPIC" and acl.operation.name in found:
            found[acl.operation.name].add(resource.resource_name.removeprefix("preferences.").removesuffix(".v1"))
    return found


@pytest.mark.parametrize("user", ROLES)
def test_the_table_and_the_commands_of_the_page_say_the_same(user: str) -> None:
    assert topics_of_the_table(user) == topics_of_the_commands(user)


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roles]:
    with Roles(tmp_path_factory.mktemp("roles")) as stage:
        yield stage


def event_of(said: str) -> str:
    found: Mapping[str, Any] = orjson.loads(said)
    return str(found["event_id"])


def test_what_the_page_allows_is_enough_for_an_opt_out_to_reach_the_gateway_and_its_receipt_the_auditor(
    roles: Roles,
) -> None:
    event_id = event_of(roles.run("revoke", "+14165550123", "--evidence", "STOP", "--json"))
    roles.run_as("auditor", "confirm", event_id, "--wait", "60")
    denied = roles.gateways[0].decide(contact="+14165550123", channel="sms", purpose="marketing.offers")
    assert denied is not None
    assert (denied["allowed"], denied["reason"]) == (False, "revoked_by_number")
    roles.run_as("auditor", "late", "--within", "1h")
    roles.run_as("projector", "projector", "run", "--once")
    said = roles.run_as("auditor", "timeline", "+14165550123", expected=3)
    assert "does not let this user read preferences.identities.v1" in said


def test_what_the_page_allows_is_enough_for_whoever_names_people(roles: Roles) -> None:
    """Also while a no is not in force everywhere: then the broker is asked for the time, which is to write."""
    number, out = "+14165550199", roles.folder / "bundle.json"
    gateway = roles.gateways[0].process
    gateway.signal(signal.SIGSTOP)
    try:
        roles.run("revoke", number, "--evidence", "STOP")
        assert "NotEnforcedYet" in roles.run_as("persons", "timeline", number, "--json")
    finally:
        gateway.signal(signal.SIGCONT)
    roles.run_as("auditor", "checkpoint")
    roles.run_as("persons", "bundle", number, str(out))
    assert "STOP" in out.read_text()
    assert "STOP" in roles.run_as("agent", "reveal", number)


def test_what_the_page_allows_is_enough_for_a_data_team_to_read_with_a_client_of_its_own(roles: Roles) -> None:
    broker = roles.broker_of("analyst")
    topics = (*broker.topics.tables.values(), broker.topics.ledger)
    assert all(any(told(broker, topic).values()) for topic in topics)


@pytest.mark.parametrize("user", ROLES)
def test_every_topic_that_the_page_does_not_give_is_denied(roles: Roles, user: str) -> None:
    broker, given = roles.broker_of(user), topics_of_the_table(user)
    denied = library().errors.TopicAuthorizationFailedError
    with closing(consumer(broker)) as reading, closing(producer(broker, acks=1, enable_idempotence=False)) as writing:
        for name in TOPICS:
            place = library().TopicPartition(f"preferences.{name}.v1", 0)
            if not name.startswith(tuple(given["READ"])):
                reading.assign([place])
                reading.seek(place, 0)
                with pytest.raises(denied):
                    reading.poll(5_000)
            if not name.startswith(tuple(given["WRITE"])):
                with pytest.raises(denied):
                    writing.send(place.topic, b"{}", b"nobody", partition=0).get(10)


@pytest.mark.parametrize(
    ("who", "command"),
    [
        ("worker", ("revoke", "+14165550124")),
        ("gateway", ("revoke", "+14165550124")),
        ("auditor", ("revoke", "+14165550124")),
    ],
)
def test_who_may_not_is_told_so_and_nothing_is_recorded(roles: Roles, who: str, command: tuple[str, ...]) -> None:
    said = roles.run_as(who, *command, expected=3)
    assert "does not let this user" in said
    assert PASSWORDS[who] not in said


def test_who_may_nothing_does_not_even_see_the_topics(roles: Roles) -> None:
    said = roles.run_as("nobody", "timeline", "+14165550123", expected=2)
    assert "is missing at" in said
    assert "or this user may not see it" in said


def test_a_client_without_a_certificate_of_the_authority_does_not_get_in(roles: Roles) -> None:
    stranger = Authority(roles.folder / "stranger")
    certificate, key = stranger.signed("door")
    before = dict(roles.environment)
    roles.environment |= {"PREFLEDGER_KAFKA_CERT_FILE": str(certificate), "PREFLEDGER_KAFKA_KEY_FILE": str(key)}
    try:
        said = roles.run("revoke", "+14165550125", expected=3)
    finally:
        roles.environment |= before
    assert "nothing was acknowledged" in said
