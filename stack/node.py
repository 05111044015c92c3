"""Programs for Node: packages by name, as a lock file pins them, fetched once into `.tools`."""

import hashlib
import shutil
from pathlib import Path

from stack.tools import once, run

FILES = ("package.json", "package-lock.json")
PATIENCE_S = 240
# npm waits five minutes for an answer that does not come before it asks again.
FETCHING = (
    "--prefer-offline",
    "--maxsockets=4",
    "--fetch-timeout=15000",
    "--fetch-retries=5",
    "--fetch-retry-mintimeout=500",
)


class NoNodeError(RuntimeError):
    """Node or npm is missing."""


def modules(wanted: Path) -> Path:
    """The folder in which what the lock file in `wanted` names is installed. Raises NoNodeError."""
    digest = hashlib.sha256((wanted / FILES[1]).read_bytes()).hexdigest()[:12]

    def fetch(folder: Path) -> None:
        if not shutil.which("node") or not shutil.which("npm"):
            raise NoNodeError("the official validators need node and npm (Debian: nodejs, npm)")
        for name in FILES:
            shutil.copy(wanted / name, folder / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *FETCHING]
        run(command, folder, PATIENCE_S)

    return once(f"node-{digest}", fetch)
