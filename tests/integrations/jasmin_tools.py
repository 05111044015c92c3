"""What Jasmin is run with: its own environment under `.tools`, and the daemons that it needs."""

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "jasmin"
REQUIREMENTS = Path(__file__).with_name("requirements-jasmin.txt")
VERSION = "0.11.0"
RABBITMQ = Path("/usr/lib/rabbitmq/bin")
"""Where Debian has the scripts that any user may run; those in /usr/sbin insist on a user of their own."""
HOW = "install rabbitmq-server and redis-server (Debian)"


def daemons() -> tuple[Path, Path, Path, Path]:
    """rabbitmq-server, rabbitmqctl, epmd, redis-server. With CI set they must be there."""
    found = [_found("rabbitmq-server"), _found("rabbitmqctl"), _found("epmd"), _found("redis-server")]
    rabbitmq, control, epmd, redis = found
    if rabbitmq is None or control is None or epmd is None or redis is None:
        if os.environ.get("CI"):
            pytest.fail(f"with CI set Jasmin is tried for real: {HOW}")
        pytest.skip(f"Jasmin has no RabbitMQ or no Redis: {HOW}")
    return rabbitmq, control, epmd, redis


def _found(name: str) -> Path | None:
    direct = RABBITMQ / name
    if direct.exists():
        return direct
    other = shutil.which(name)
    return Path(other) if other else None


def environment() -> Path:
    """The folder with Jasmin in `bin` and its protocol files in `resource`; made on first use, in half a minute."""
    TOOLS.parent.mkdir(exist_ok=True)
    with TOOLS.with_suffix(".lock").open("w") as lock:  # of two runs that come at once the second finds it made
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make(REQUIREMENTS.read_text("utf-8"))
    return TOOLS


def _make(wanted: str) -> None:
    complete = TOOLS / "complete"
    if complete.exists() and complete.read_text("utf-8") == wanted:
        return
    shutil.rmtree(TOOLS, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(TOOLS))
    pip = (str(TOOLS / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "install", "--requirement", str(REQUIREMENTS))
    _run(*pip, "download", "--no-deps", "--no-binary", "jasmin", "--dest", str(TOOLS / "source"), f"jasmin=={VERSION}")
    _unpack(next((TOOLS / "source").glob("*.tar.gz")), TOOLS / "resource")
    complete.write_text(wanted, "utf-8")


def _unpack(archive: Path, folder: Path) -> None:
    """The definitions of AMQP, which the wheel lacks."""
    folder.mkdir()
    with tarfile.open(archive) as source:
        for member in source.getmembers():
            if "/misc/config/resource/" in member.name and member.name.endswith(".xml"):
                file = source.extractfile(member)
                assert file is not None
                (folder / Path(member.name).name).write_bytes(file.read())


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
