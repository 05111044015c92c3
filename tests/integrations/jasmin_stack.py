"""A Jasmin of a test's own: Redis, RabbitMQ, the interceptor, the gateway, a message centre. All on loopback."""

import http.client
import json
import os
import re
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from stack.processes import LOOPBACK, Process, free_port, listens
from tests.integrations.jasmin_tools import daemons, environment

HERE = Path(__file__).parent
INTEGRATION = HERE.parents[1] / "docs" / "integrations" / "jasmin"
CONFIGURATION = """
[amqp-broker]
host = {host}
port = {amqp}
connection_loss_retry_delay = 1
connection_failure_retry_delay = 1
[redis-client]
host = {host}
port = {redis}
[router]
bind = {host}
port = {router}
[client-management]
bind = {host}
port = {clients}
[smpp-server]
bind = {host}
port = {smpp}
[smpp-server-pb]
bind = {host}
port = {smpp_pb}
[http-api]
bind = {host}
port = {http}
[jcli]
bind = {host}
port = {console}
authentication = False
[interceptor]
bind = {host}
port = {interceptor}
[interceptor-client]
host = {host}
port = {interceptor}
[sm-listener]
submit_retrial_delay_smppc_not_ready = 1
submit_max_age_smppc_not_ready = {lease_s}
"""
PORTS = (
    "amqp", "redis", "router", "clients", "smpp", "smpp_pb", "http", "console", "interceptor", "epmd", "erlang", "smsc",
)  # fmt: skip


class JasminStack:
    """Started whole, stopped whole, each process by its id."""

    def __init__(self, folder: Path, lease_s: int, gate_configuration: Path) -> None:
        self.folder = folder
        self.port = {name: free_port() for name in PORTS}
        self._lease_s = lease_s
        self._gate_configuration = gate_configuration
        self._tools = environment()
        self._rabbitmq, self._rabbitmqctl, self._epmd, self._redis = map(str, daemons())
        self._messages = folder / "messages.jsonl"
        self._stack = ExitStack()
        self._smsc: Process | None = None
        self._interceptord: Process | None = None

    def __enter__(self) -> Self:
        with ExitStack() as failing:
            failing.callback(self._stack.close)
            self._start_stores()
            self.start_smsc()
            self._start_jasmin()
            failing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # Processes

    def _start(
        self, name: str, command: Sequence[str], port: str, environment_: dict[str, str] | None = None
    ) -> Process:
        process = Process(name, command, self.folder / f"{name}.log", environment_, self.folder)
        self._stack.callback(process.stop, 10)
        process.wait_until(lambda: listens(self.port[port]), 60, "it takes connections")
        return process

    def _start_stores(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        redis = [self._redis, "--bind", LOOPBACK, "--port", str(self.port["redis"]), "--save", "", "--dir", "."]
        self._start("redis", redis, "redis")
        self._start("epmd", [self._epmd, "-address", LOOPBACK, "-port", str(self.port["epmd"])], "epmd")
        self._start("rabbitmq", [self._rabbitmq], "amqp", self._rabbitmq_environment())

    def _rabbitmq_environment(self) -> dict[str, str]:
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text("")
        return {
            "HOME": str(self.folder),  # of the cookie
            "ERL_EPMD_PORT": str(self.port["epmd"]),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"prefledger-{self.port['amqp']}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port["amqp"]),
            "RABBITMQ_DIST_PORT": str(self.port["erlang"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
        }

    def rabbitmqctl(self, *arguments: str) -> str:
        """Runs the control program of the broker."""
        done = subprocess.run(
            [self._rabbitmqctl, *arguments], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            env={**os.environ, **self._rabbitmq_environment()},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _start_jasmin(self) -> None:
        for name in ("etc/jasmin/store", "var/log/jasmin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "etc/jasmin/resource").symlink_to(self._tools / "resource")
        settings = CONFIGURATION.format(host=LOOPBACK, lease_s=self._lease_s, **self.port)
        (self.folder / "jasmin.cfg").write_text(settings)
        self.start_interceptord()
        options = ["--enable-interceptor-client", "--enable-dlr-thrower", "--enable-dlr-lookup"]
        self._start("jasmind", self._jasmin("jasmind.py", *options), "console", self._jasmin_environment())

    def _jasmin(self, daemon: str, *options: str) -> list[str]:
        python = str(self._tools / "bin" / "python")
        script = str(HERE / "run_jasmin.py")
        return [python, script, str(self.folder), daemon, "--config", str(self.folder / "jasmin.cfg"), *options]

    def _jasmin_environment(self) -> dict[str, str]:
        return {
            "ROOT_PATH": str(self.folder),
            "PYTHONPATH": str(INTEGRATION),
            "PREFLEDGER_GATE_CONFIG": str(self._gate_configuration),
        }

    def start_interceptord(self) -> None:
        command = self._jasmin("interceptord.py")
        self._interceptord = self._start("interceptord", command, "interceptor", self._jasmin_environment())

    def stop_interceptord(self) -> None:
        if self._interceptord is not None:
            self._interceptord.stop(10)

    def start_smsc(self) -> None:
        """The operator's message centre; Jasmin connects again within a second."""
        python = str(self._tools / "bin" / "python")
        command = [python, str(HERE / "smsc_simulator.py"), str(self.port["smsc"]), str(self._messages)]
        self._smsc = self._start("smsc", command, "smsc")

    def stop_smsc(self) -> None:
        """The connection to the operator is gone."""
        if self._smsc is not None:
            self._smsc.kill()

    def signal_smsc(self, number: int) -> None:
        """A signal to the message centre."""
        if self._smsc is not None:
            self._smsc.signal(number)

    # What it is told and asked

    def console(self, *commands: str) -> str:
        """Types lines into Jasmin's console. Returns what it printed; fails where it complained."""
        with socket.create_connection((LOOPBACK, self.port["console"]), timeout=10) as terminal:
            said = ""
            for command in commands:
                terminal.sendall(command.encode() + b"\r\n")
                said += _until_prompt(terminal)
        assert not re.search(r"Error|Unknown|Incorrect|rror:|Failed|must", said), said
        return said

    def add(self, command: str, **fields: str) -> None:
        """Adds a thing: `add("user", uid=…)`."""
        self.console(f"{command} -a", *(f"{name} {value}" for name, value in fields.items()), "ok")

    def route(self, order: int, user: str, connector: str) -> None:
        """Sends what a user submits over a connector of its own. A filter lives no longer than its terminal."""
        filter_ = ("filter -a", f"fid {user}", "type UserFilter", f"uid {user}", "ok")
        goes = (f"order {order}", f"filters {user}", f"connector smppc({connector})", "rate 0.0", "ok")
        self.console(*filter_, "mtrouter -a", "type StaticMTRoute", *goes)

    def intercept(self) -> None:
        """Has every message checked, as documented."""
        self.add("mtinterceptor", type="DefaultInterceptor", script=f"python3({INTEGRATION / 'interceptor.py'})")

    def is_bound(self) -> bool:
        """Whether every connector has its session."""
        lines = [
            line for line in self.console("smppccm -l").splitlines() if line.startswith("#") and "Connector" not in line
        ]
        return bool(lines) and all("BOUND_TRX" in line for line in lines)

    def send(self, user: str, to: str, content: str, **parameters: str) -> tuple[int, str]:
        """Sends over HTTP; Jasmin's status and answer."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port["http"], timeout=30)
        try:
            return send_over(connection, user, to, content, **parameters)
        finally:
            connection.close()

    def messages(self) -> list[dict[str, object]]:
        """What the message centre was given, in order."""
        lines = self._messages.read_text("utf-8").splitlines() if self._messages.exists() else []
        return [json.loads(line) for line in lines]

    def texts(self) -> list[object]:
        """The texts that were delivered."""
        return [message["text"] for message in self.messages() if message["delivered"]]


def send_over(
    connection: http.client.HTTPConnection, user: str, to: str, content: str, **parameters: str
) -> tuple[int, str]:
    """Sends over an open connection."""
    said = {"username": user, "password": "secret", "from": "12345", "to": to, "content": content, **parameters}
    connection.request("GET", f"/send?{urlencode(said)}")
    response = connection.getresponse()
    return response.status, response.read().decode()


def _until_prompt(terminal: socket.socket) -> str:
    said = ""
    while not re.search(r"(jcli :|> )\s*$", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)):
        more = terminal.recv(65536)
        assert more, said
        said += more.decode("utf-8", "replace")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
