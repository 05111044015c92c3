"""What Jasmin is run with: its own environment under `.tools`, and the daemons that it needs."""

import shutil
import tarfile
from pathlib import Path

from stack.tools import once, python_with, run
from tests.left_out import leave_out

REQUIREMENTS = Path(__file__).with_name("requirements-jasmin.txt")
VERSION = "0.11.0"
PATIENCE_S = 300
RABBITMQ = Path("/usr/lib/rabbitmq/bin")
"""Where Debian has the scripts that any user may run; those in /usr/sbin insist on a user of their own."""
HOW = "install rabbitmq-server and redis-server (Debian)"


def daemons() -> tuple[Path, Path, Path, Path]:
    """rabbitmq-server, rabbitmqctl, epmd, redis-server. With CI set they must be there."""
    found = [_found("rabbitmq-server"), _found("rabbitmqctl"), _found("epmd"), _found("redis-server")]
    rabbitmq, control, epmd, redis = found
    if rabbitmq is None or control is None or epmd is None or redis is None:
        leave_out(f"Jasmin has no RabbitMQ or no Redis: {HOW}")
    return rabbitmq, control, epmd, redis


def _found(name: str) -> Path | None:
    direct = RABBITMQ / name
    if direct.exists():
        return direct
    other = shutil.which(name)
    return Path(other) if other else None


def environment() -> Path:
    """The folder with Jasmin in `bin` and its protocol files in `resource`; made on first use, in half a minute."""
    return once("jasmin", _fetch, REQUIREMENTS.read_text("utf-8"))


def _fetch(folder: Path) -> None:
    pip = python_with(REQUIREMENTS, folder, PATIENCE_S)
    source = ("--no-deps", "--no-binary", "jasmin", "--dest", "source", f"jasmin=={VERSION}")
    run([*pip, "download", *source], folder, PATIENCE_S)
    _unpack(next((folder / "source").glob("*.tar.gz")), folder / "resource")


def _unpack(archive: Path, folder: Path) -> None:
    """The definitions of AMQP, which the wheel lacks."""
    folder.mkdir()
    with tarfile.open(archive) as source:
        for member in source.getmembers():
            if "/misc/config/resource/" in member.name and member.name.endswith(".xml"):
                file = source.extractfile(member)
                assert file is not None
                (folder / Path(member.name).name).write_bytes(file.read())
