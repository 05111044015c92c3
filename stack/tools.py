"""What is fetched from package indexes: once, whole, into `.tools`, by whoever needs it first."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1] / ".tools"
TOLD = 2000
"""So many characters of what a failed command printed last are repeated."""


class FetchingError(RuntimeError):
    """A command that fetches failed; the message has the command and the end of what it printed."""


def once(name: str, fetch: Callable[[Path], object], wanted: str = "", tools: Path = TOOLS) -> Path:
    """The folder `name`, which `fetch` filled; another text `wanted` than it was filled for fills it anew.

    Several processes may ask at once, as those of one run of the tests do: one fetches and the others wait for it. Who
    dies in between leaves a folder that does not count.
    """
    folder = tools / name
    complete = folder / "complete"
    if _says(complete, wanted):
        return folder
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _says(complete, wanted):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            fetch(folder)
            complete.write_text(wanted, "utf-8")
    return folder


def _says(complete: Path, wanted: str) -> bool:
    return complete.exists() and complete.read_text("utf-8") == wanted


def python_with(requirements: Path, folder: Path, within_s: float) -> tuple[str, ...]:
    """Makes an environment of Python with these packages in a folder; the command that is its pip.

    Raises FetchingError.
    """
    run([sys.executable, "-m", "venv", str(folder)], folder, within_s)
    pip = (str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    run([*pip, "install", "--requirement", str(requirements)], folder, within_s)
    return pip


def run(command: Sequence[str], folder: Path, within_s: float) -> None:
    """Runs a command that fetches, quietly. Raises FetchingError."""
    try:
        done = subprocess.run(
            command, cwd=folder, check=False, stdin=subprocess.DEVNULL, timeout=within_s,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise FetchingError(f"{' '.join(command)}: not done after {within_s:g} s") from error
    if done.returncode:
        raise FetchingError(f"{' '.join(command)}: ended with {done.returncode}\n{done.stdout[-TOLD:]}")
