"""What Jasmin's interceptor makes of each answer, and of none."""

import importlib.util
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from stack.processes import free_port

HERE = Path(__file__).resolve().parents[2] / "docs" / "integrations" / "jasmin"
ALLOWED = {"allowed": True, "reason": "granted", "valid_for_s": 28.5, "decision_id": "one"}
PASS, REFUSED, TRY_LATER = (None, None), (403, 69), (503, 8)


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prefledger_gate", HERE / "prefledger_gate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


gate = _load()


@dataclass
class Message:
    """A message as Jasmin hands it to an interceptor."""

    to: bytes = b"14165550141"
    group: str = "marketing"
    tags: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.user = SimpleNamespace(uid="offers", group=SimpleNamespace(gid=self.group))
        self.pdu = self._part()
        self.pdu.nextPdu = self._part()

    def _part(self) -> SimpleNamespace:
        params = {"destination_addr": self.to, "source_addr": b"12345", "schedule_delivery_time": None}
        return SimpleNamespace(params={**params, "validity_period": None})

    def getTags(self) -> list[str]:
        return self.tags

    def lockPduParam(self, param: str) -> None:
        self.locked.append(param)


class Answering:
    """A gateway that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.answer, self.seconds = 200, dict(ALLOWED), 0.0
        self.asked: list[dict[str, Any]] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_POST(self) -> None:
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                time.sleep(outer.seconds)
                body = json.dumps(outer.answer).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def gateway() -> Iterator[Answering]:
    answering = Answering()
    yield answering
    answering.server.shutdown()
    answering.server.server_close()


def gate_to(address: str, **settings: float) -> Any:  # noqa: ANN401 (a class of a module that no package holds)
    """The gate of the documented configuration, asking somewhere else."""
    documented = gate.Configuration.load(HERE / "prefledger_gate.toml")
    return made(gate.Configuration(documented.rules, address, **settings))


def made(configuration: Any) -> Any:  # noqa: ANN401
    """A gate that is closed once the test is over."""
    opened.append(gate.Gate(configuration))
    return opened[-1]


opened: list[Any] = []


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while opened:
        opened.pop().gateway.close()


def test_a_message_that_may_go_is_void_when_the_answer_is_no_longer_good(gateway: Answering) -> None:
    message = Message()
    before = datetime.now(UTC)
    assert gate_to(gateway.address).check(message) == PASS
    for part in (message.pdu, message.pdu.nextPdu):
        until = part.params["validity_period"]
        assert before + timedelta(seconds=26) < until <= datetime.now(UTC) + timedelta(seconds=28)
        assert until.utcoffset() == timedelta(0)
        assert until.microsecond == 0
    assert message.locked == ["validity_period"]
    question = {"contact": "+14165550141", "channel": "sms", "purpose": "marketing.offers", "sender": "12345"}
    assert gateway.asked == [question]


def test_no_answer_is_good_for_longer_than_is_configured(gateway: Answering) -> None:
    gateway.answer["valid_for_s"] = 300.0
    message = Message()
    assert gate_to(gateway.address, lease_s=10.0).check(message) == PASS
    assert message.pdu.params["validity_period"] <= datetime.now(UTC) + timedelta(seconds=10)


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (200, {"allowed": False, "reason": "revoked_by_number", "valid_for_s": None}, REFUSED),
        (200, {"allowed": False, "reason": "halted", "valid_for_s": None}, REFUSED),
        (200, {"allowed": False, "reason": "stale", "valid_for_s": None}, TRY_LATER),
        (200, {"allowed": True, "reason": "granted", "valid_for_s": 0.4}, TRY_LATER),
        (200, {"allowed": True, "reason": "granted"}, TRY_LATER),
        (200, {"allowed": "yes"}, TRY_LATER),
        (200, [], TRY_LATER),
        (400, {"status": 400, "detail": "that is no number"}, REFUSED),
        (500, {"status": 500}, TRY_LATER),
    ],
)
def test_all_but_a_clear_yes_is_a_no(gateway: Answering, status: int, answer: Any, expected: object) -> None:  # noqa: ANN401
    gateway.status, gateway.answer = status, answer
    assert gate_to(gateway.address).check(Message()) == expected


def test_what_never_needs_consent_keeps_the_validity_it_has(gateway: Answering) -> None:
    gateway.answer = {"allowed": True, "reason": "never_needs_consent", "valid_for_s": 3.0}
    message = Message(group="codes")
    assert gate_to(gateway.address).check(message) == PASS
    assert message.pdu.params["validity_period"] is None
    assert gateway.asked[0]["purpose"] == "service.codes"


def test_a_code_stops_too_when_the_gateway_says_so(gateway: Answering) -> None:
    gateway.answer = {"allowed": False, "reason": "halted"}
    assert gate_to(gateway.address).check(Message(group="codes")) == REFUSED


def test_nobody_at_the_gateway_s_port_refuses_offers_and_lets_codes_pass() -> None:
    asking = gate_to(f"http://127.0.0.1:{free_port()}")
    assert asking.check(Message()) == TRY_LATER
    assert asking.check(Message(group="codes")) == PASS


def test_a_gateway_that_hangs_is_waited_for_once_and_then_left_in_peace() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        asking = gate_to(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=1.0, retry_after_s=60.0)
        began = time.monotonic()
        assert [asking.check(Message()) for _ in range(100)] == [TRY_LATER] * 100
        assert 1.0 <= time.monotonic() - began < 30


def test_a_late_answer_is_not_taken_for_that_to_the_next_question(gateway: Answering) -> None:
    asking = gate_to(gateway.address, timeout_s=0.3, retry_after_s=0.0)
    gateway.seconds = 1.0
    assert asking.check(Message()) == TRY_LATER
    gateway.seconds, gateway.answer = 0.0, {"allowed": False, "reason": "revoked_by_number"}
    time.sleep(1.0)
    assert asking.check(Message()) == REFUSED


def test_one_connection_serves_many_questions_and_a_restarted_gateway_is_found_at_once(gateway: Answering) -> None:
    asking = gate_to(gateway.address, retry_after_s=60.0)
    assert [asking.check(Message()) for _ in range(5)] == [PASS] * 5
    assert gateway.connections == 1
    asking.gateway._connection.sock.shutdown(socket.SHUT_RDWR)
    assert asking.check(Message()) == PASS


@pytest.mark.parametrize("written", [b"+14165550141", b"14165550141", b"0014165550141"])
def test_a_number_is_asked_about_as_e164_however_it_is_written(gateway: Answering, written: bytes) -> None:
    gate_to(gateway.address).check(Message(to=written))
    assert gateway.asked[0]["contact"] == "+14165550141"


def test_a_national_number_gets_the_configured_prefix(gateway: Answering) -> None:
    asking = made(gate.Configuration((gate.Rule("marketing.offers"),), gateway.address, prefix="+1"))
    asking.check(Message(to=b"4165550141"))
    assert gateway.asked[0]["contact"] == "+14165550141"


def test_a_message_of_no_rule_is_refused_unasked(gateway: Answering) -> None:
    assert gate_to(gateway.address).check(Message(group="newcomers")) == REFUSED
    assert gateway.asked == []


def test_a_tag_chooses_among_the_purposes_of_its_group(gateway: Answering) -> None:
    asking = gate_to(gateway.address)
    for message in (Message(tags=["surveys"]), Message(tags=["codes"]), Message()):
        asking.check(message)
    assert [asked["purpose"] for asked in gateway.asked] == [
        "marketing.surveys", "marketing.offers", "marketing.offers",
    ]  # fmt: skip


def test_a_message_for_later_is_refused(gateway: Answering) -> None:
    message = Message()
    message.pdu.params["schedule_delivery_time"] = datetime.now(UTC)
    assert gate_to(gateway.address).check(message) == REFUSED


@pytest.mark.parametrize(
    "configuration",
    [
        'rules = [{purpose = "service.codes", tag = "codes", when_unreachable = "pass"}]',
        'rules = [{purpose = "service.codes", group = "codes", when_unreachable = "allow"}]',
        'rules = [{purpose = "marketing.offers", sendr = "12345"}]',
        'timeout = 1\nrules = [{purpose = "marketing.offers"}]',
        'gateway = "http://127.0.0.1:8090"',
        "no toml",
    ],
)
def test_a_wrong_configuration_refuses_every_message(
    configuration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prefledger_gate.toml"
    path.write_text(configuration)
    monkeypatch.setenv("PREFLEDGER_GATE_CONFIG", str(path))
    monkeypatch.setattr(gate, "_gate", None)
    assert gate.check(Message()) == TRY_LATER
    with pytest.raises((ValueError, TypeError, KeyError)):
        gate.Configuration.load(path)


def test_the_script_that_jasmin_copies_hands_on_both_statuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "prefledger_gate.toml"
    path.write_text(f'gateway = "http://127.0.0.1:{free_port()}"\nrules = [{{purpose = "marketing.offers"}}]')
    monkeypatch.setenv("PREFLEDGER_GATE_CONFIG", str(path))
    monkeypatch.setattr(gate, "_gate", None)
    names: dict[str, Any] = {"routable": Message(), "http_status": None, "smpp_status": None}
    exec(compile((HERE / "interceptor.py").read_text("utf-8"), "interceptor", "exec"), names)
    assert (names["http_status"], names["smpp_status"]) == TRY_LATER
