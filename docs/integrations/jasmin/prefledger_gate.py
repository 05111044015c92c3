"""Asks the preference ledger's gateway before Jasmin takes a message. For interceptord's path: standard library only.

Jasmin runs the two lines of `interceptor.py` for each message. All that they do is here, because Jasmin copies a script
when it is added and never looks at the file again. A change of this file or of its configuration counts once
interceptord is started again.

What cannot be asked is not sent: whatever goes wrong in here is a refusal, unless the configuration lets a rule pass.
interceptord handles one message at a time, so a gateway that hangs would hold up everybody: it gets `timeout_s` once,
and then nobody waits for it again before `retry_after_s` is over.
"""

import json
import logging
import math
import os
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

log = logging.getLogger("jasmin-interceptor-pb.prefledger")  # below interceptord's own logger: into its file


class Statuses(NamedTuple):
    """What Jasmin answers its client; both None lets the message go on. Only one of the two gives odd codes."""

    http: int | None
    smpp: int | None


PASS = Statuses(None, None)
REFUSED = Statuses(403, 69)
"""Do not send: 403 Forbidden, ESME_RSUBMITFAIL."""
TRY_LATER = Statuses(503, 8)
"""Nobody could say just now: 503 Service Unavailable, ESME_RSYSERR."""
Failing = Literal["refuse", "pass"]


@dataclass(frozen=True)
class Rule:
    """Which messages are meant, by whom sent and how marked, and what they are for."""

    purpose: str
    group: str | None = None
    user: str | None = None
    sender: str | None = None
    tag: str | None = None
    brand: str | None = None
    channel: str = "sms"
    when_unreachable: Failing = "refuse"

    def __post_init__(self) -> None:
        if self.when_unreachable not in ("refuse", "pass"):
            raise ValueError(f"when_unreachable is {self.when_unreachable!r}: refuse or pass")
        if self.when_unreachable == "pass" and self.group is None and self.user is None:
            raise ValueError(
                f"the rule for {self.purpose} passes unasked, so it must name a group or a user: "
                "a tag or a sender is whatever the client writes"
            )


@dataclass(frozen=True)
class Configuration:
    """`prefledger_gate.toml`. An unknown key is an error: a misspelt one must not silently keep its default."""

    rules: tuple[Rule, ...]
    gateway: str = "http://127.0.0.1:8090"
    timeout_s: float = 0.5
    retry_after_s: float = 1.0
    lease_s: float = 30.0
    prefix: str = "+"

    @classmethod
    def load(cls, path: Path) -> "Configuration":
        """Raises ValueError, TypeError or OSError: every message is then refused, with the reason in the log."""
        said = tomllib.loads(path.read_text("utf-8"))
        return cls(rules=tuple(Rule(**rule) for rule in said.pop("rules")), **said)


class User(Protocol):
    """A user of Jasmin's, as its interceptor sees him."""

    uid: str
    group: Any


class Routable(Protocol):
    """A message before it is routed, as Jasmin hands it to an interceptor."""

    pdu: Any
    user: User

    def getTags(self) -> list[str]:
        """What the client or an earlier interceptor marked it with."""

    def lockPduParam(self, param: str) -> None:
        """Keeps Jasmin from overwriting a field."""


class UnreachableError(Exception):
    """The gateway did not answer, or not in time, or not what it should."""


class RejectedError(Exception):
    """The gateway did not understand the question: the number or the configuration is wrong."""


@dataclass
class Gateway:
    """The gateway process, over one kept-alive connection; it is left in peace for a while after it failed."""

    address: str
    timeout_s: float
    retry_after_s: float
    _connection: HTTPConnection | None = None
    _not_before: float = field(default=-math.inf)

    def ask(self, question: dict[str, str]) -> dict[str, Any]:
        """A decision. Raises UnreachableError after `timeout_s` at the latest, RejectedError."""
        now = time.monotonic()
        if now < self._not_before:
            raise UnreachableError("it did not answer a moment ago")
        try:
            status, body = self._exchange(json.dumps(question).encode(), now + self.timeout_s)
            answer = json.loads(body)
        except (OSError, HTTPException, ValueError) as error:
            self._give_up()
            raise UnreachableError(f"{type(error).__name__}: {error}") from error
        if 400 <= status < 500:
            raise RejectedError(f"{status}: {answer}")
        if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("allowed"), bool):
            self._give_up()
            raise UnreachableError(f"it answered {status}")
        return answer

    def _exchange(self, body: bytes, end: float) -> tuple[int, bytes]:
        if self._connection is not None:
            try:
                return self._once(self._connection, body, end)
            except (ConnectionError, HTTPException):  # it closed a connection that was idle, or was restarted
                self.close()
        parts = urlsplit(self.address)
        self._connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=_left(end))
        return self._once(self._connection, body, end)

    @staticmethod
    def _once(connection: HTTPConnection, body: bytes, end: float) -> tuple[int, bytes]:
        def hurry() -> None:
            connection.timeout = _left(end)
            if connection.sock is not None:
                connection.sock.settimeout(_left(end))

        hurry()
        connection.request("POST", "/v1/decisions", body, {"Content-Type": "application/json"})
        hurry()
        response = connection.getresponse()
        hurry()
        return response.status, response.read()

    def close(self) -> None:
        """Ends the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _give_up(self) -> None:
        self.close()  # a late answer must not be taken for that to the next question
        self._not_before = time.monotonic() + self.retry_after_s


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left


class Gate:
    """The check of one message."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self.gateway = Gateway(configuration.gateway, configuration.timeout_s, configuration.retry_after_s)

    def check(self, routable: Routable) -> Statuses:
        """May it go on? If so it is valid no longer than the answer is."""
        rule = find(self._configuration.rules, routable)
        if rule is None:
            log.error("refused: no rule is for user %s", routable.user.uid)
            return REFUSED
        if routable.pdu.params.get("schedule_delivery_time") is not None and rule.when_unreachable == "refuse":
            log.warning("refused: it is scheduled for later, and nobody can say yet what will be allowed then")
            return REFUSED
        asked_at = datetime.now(UTC)
        try:
            answer = self.gateway.ask(self._question(rule, routable))
        except RejectedError as error:
            log.error("refused: the gateway does not understand the question: %s", error)
            return REFUSED
        except UnreachableError as error:
            log.error("%s, %s: the gateway is unreachable: %s", rule.purpose, rule.when_unreachable, error)
            return PASS if rule.when_unreachable == "pass" else TRY_LATER
        return self._obey(answer, asked_at, routable)

    def _obey(self, answer: dict[str, Any], asked_at: datetime, routable: Routable) -> Statuses:
        if not answer["allowed"]:
            log.info("refused: %s, decision %s", answer.get("reason"), answer.get("decision_id"))
            return TRY_LATER if answer.get("reason") == "stale" else REFUSED
        if answer.get("reason") == "never_needs_consent":
            return PASS  # no opt-out can overtake it in the queue
        lease_s = min(float(answer.get("valid_for_s") or 0), self._configuration.lease_s)
        if lease_s < 1:
            log.warning("too late: decision %s is valid for %.1f s only", answer.get("decision_id"), lease_s)
            return TRY_LATER
        expire(routable, asked_at, lease_s)
        return PASS

    def _question(self, rule: Rule, routable: Routable) -> dict[str, str]:
        contact = normalised(text(routable.pdu.params["destination_addr"]), self._configuration.prefix)
        question = {"contact": contact, "channel": rule.channel, "purpose": rule.purpose}
        optional = {"brand": rule.brand, "sender": text(routable.pdu.params.get("source_addr"))}
        return question | {name: value for name, value in optional.items() if value}


def find(rules: Sequence[Rule], routable: Routable) -> Rule | None:
    """The first rule of which all that it says is true of a message."""
    said = {
        "group": str(routable.user.group.gid),
        "user": str(routable.user.uid),
        "sender": text(routable.pdu.params.get("source_addr")),
    }
    tags = routable.getTags()
    for rule in rules:
        matches = all(getattr(rule, name) in (None, value) for name, value in said.items())
        if matches and (rule.tag is None or rule.tag in tags):
            return rule
    return None


def normalised(number: str, prefix: str) -> str:
    """E.164 of a destination, which comes with and without a plus, or with 00; `prefix` for the rest."""
    digits = number.strip()
    if digits.startswith("+"):
        return digits
    if digits.startswith("00"):
        return "+" + digits[2:]
    return prefix + digits


def text(field_: bytes | str | None) -> str:
    """A field of a message as text."""
    return field_.decode("utf-8", "replace") if isinstance(field_, bytes) else field_ or ""


def expire(routable: Routable, asked_at: datetime, lease_s: float) -> None:
    """Every part of a message is void once the lease is over that was given after `asked_at`.

    Absolute, so that the time in Jasmin's queue counts. In UTC, for Jasmin writes a time without a zone as if it were
    UTC; and in whole seconds, for its encoder fails from nine tenths on, and with it the message. Locked, because the
    parameter `validity-period` of Jasmin's HTTP interface would overwrite it later.
    """
    end = asked_at.replace(microsecond=0) + timedelta(seconds=math.floor(lease_s))
    part = routable.pdu
    while part is not None:
        part.params["validity_period"] = end
        part = getattr(part, "nextPdu", None)
    routable.lockPduParam("validity_period")


_gate: Gate | None = None


def check(routable: Routable) -> Statuses:
    """What `interceptor.py` calls. Anything that goes wrong is a refusal, never a message that was not asked about."""
    global _gate  # noqa: PLW0603 (one for each interceptord, made when the first message comes)
    try:
        if _gate is None:
            named = os.environ.get("PREFLEDGER_GATE_CONFIG")
            _gate = Gate(Configuration.load(Path(named) if named else Path(__file__).with_name("prefledger_gate.toml")))
        return _gate.check(routable)
    except Exception:
        log.exception("refused: the check itself failed")
        return TRY_LATER
