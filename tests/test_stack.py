"""`docker-compose.yml` and the Dockerfile say what the product has: no engine is needed to see that they do."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
import yaml

from consumers.cli.main import app
from consumers.settings import Settings
from stack import compose
from stack.kafka import ONE_NODE
from stack.postgres import DATABASE, Postgres
from stack.services import services

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
OURS = [service.name for service in services()]
HEALTHY, DONE = "service_healthy", "service_completed_successfully"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def described(name: str) -> dict[str, Any]:
    """A service of ours as the file has it."""
    found: dict[str, Any] = COMPOSE["services"][name]
    return found


def test_the_file_is_made_from_the_list_that_make_stack_starts() -> None:
    assert (ROOT / "docker-compose.yml").read_text("utf-8") == compose.written()
    assert set(COMPOSE["services"]) == {"kafka", "postgres", *OURS}


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
    wanted = {"gateway": "port", "topics": "partitions", "database": "json"}.get(name.partition("-")[0], "metrics_port")
    assert wanted in said
    assert said[wanted] or wanted == "json"
    assert not said.get("once"), "a projector goes on"


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
    assert set(COMPOSE["volumes"]) == {"kafka", "postgres", "home"}


def test_everything_waits_until_the_topics_are_made_and_the_projector_for_its_tables_too() -> None:
    wanted = {
        "topics": {"kafka": HEALTHY},
        "database": {"postgres": HEALTHY},
        "projector": {"topics": DONE, "database": DONE},
    }
    for name in OURS:
        waits = {other: one["condition"] for other, one in described(name)["depends_on"].items()}
        assert waits == wanted.get(name, {"topics": DONE})


def test_the_database_is_reached_by_whom_it_is_for_and_by_nobody_outside() -> None:
    found = COMPOSE["services"]["postgres"]
    assert "ports" not in found
    assert found["environment"]["POSTGRES_DB"] == DATABASE
    for name in ("database", "projector"):
        url = described(name)["environment"]["PREFLEDGER_DATABASE_URL"]
        assert (
            Settings.model_validate({"database_url": url}).database_url == f"postgresql://postgres@postgres/{DATABASE}"
        )


def test_postgresql_keeps_what_it_had_and_lets_nothing_run_on() -> None:
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path must be
    try:
        with Postgres(folder) as first, psycopg.connect(first.url, autocommit=True) as connection:
            url = first.url
            connection.execute("CREATE TABLE kept (a int)")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        with Postgres(folder) as again, psycopg.connect(again.url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        shutil.rmtree(folder)
