"""`docker-compose.yml` and the Dockerfile say what the product has: no engine is needed to see that they do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from consumers.cli.main import app
from consumers.settings import Settings
from stack import compose
from stack.kafka import ONE_NODE
from stack.services import services

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
OURS = [service.name for service in services()]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def described(name: str) -> dict[str, Any]:
    """A service of ours as the file has it."""
    found: dict[str, Any] = COMPOSE["services"][name]
    return found


def test_the_file_is_made_from_the_list_that_make_stack_starts() -> None:
    assert (ROOT / "docker-compose.yml").read_text("utf-8") == compose.written()
    assert set(COMPOSE["services"]) == {"kafka", *OURS}


def test_docker_compose_takes_the_file() -> None:
    tool = shutil.which("docker-compose")
    if tool is None:
        pytest.skip("docker-compose is missing: install Debian's docker-compose")
    found = subprocess.run([tool, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("name", OURS)
def test_every_command_and_option_exists(name: str) -> None:
    command: Any = typer.main.get_command(app)
    words = list(described(name)["command"])
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    said = command.make_context(name, words).params
    assert said["port" if name.startswith("gateway") else "metrics_port" if name.startswith("worker") else "partitions"]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    known = {f"PREFLEDGER_{field.upper()}" for field in Settings.model_fields}
    assert set(described(name)["environment"]) <= known
    assert Settings.model_validate({"ledger_url": described(name)["environment"]["PREFLEDGER_LEDGER_URL"]}).distributed


@pytest.mark.parametrize("service", [service for service in services() if service.port], ids=lambda one: one.name)
def test_the_port_that_is_published_is_the_one_that_it_is_told_to_listen_on_and_is_probed(service: Any) -> None:  # noqa: ANN401
    found = described(service.name)
    assert found["ports"] == [f"127.0.0.1:{service.port}:{service.port}"]
    assert str(service.port) in found["command"]
    assert compose.probe(service.port, service.health) in found["healthcheck"]["test"]


def test_a_probe_ends_well_only_where_something_answers(tmp_path: Path) -> None:
    from stack.processes import free_port

    program = compose.probe(free_port(), "/healthz")
    assert subprocess.run(["python3", "-c", program], capture_output=True, check=False).returncode != 0


def test_the_broker_in_the_file_has_the_settings_of_the_one_that_the_tests_use() -> None:
    environment = COMPOSE["services"]["kafka"]["environment"]
    assert {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in ONE_NODE.items()}.items() <= (
        environment.items()
    )


def test_the_image_holds_the_packages_of_the_wheel_and_nothing_of_a_secret() -> None:
    copied = set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE))
    assert copied == {"schemas", "ledger", "projections", "consumers"}
    assert "!" + "secret" not in (ROOT / ".dockerignore").read_text("utf-8")
    assert (ROOT / ".dockerignore").read_text("utf-8").startswith("*\n")
    assert not re.search(r"^(ENV|ARG).*(SECRET|PASSWORD)", DOCKERFILE, re.MULTILINE)


def test_nothing_runs_as_root_and_everything_is_kept_in_volumes() -> None:
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    for name in OURS:
        assert described(name)["read_only"] is True
        assert described(name)["volumes"] == ["home:/var/lib/prefledger"]
    assert set(COMPOSE["volumes"]) == {"kafka", "home"}


def test_everything_waits_until_the_topics_are_made() -> None:
    for name in OURS:
        wanted = "kafka" if name == "topics" else "topics"
        assert list(described(name)["depends_on"]) == [wanted]
