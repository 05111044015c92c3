"""Decisions that a process could not log before it ended, in files beside its snapshot, for the next one to log.

Each time they are left in a file of their own, which is there whole or not at all: a process that ends late cannot take
anything from one that has begun.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from ledger.decisions import Stored, UnreadableDecisionError
from ledger.durable import sync
from ledger.stamp import new_id
from schemas.distributed import LoggedDecision


def leave(beside: Path, decisions: Iterable[bytes]) -> Path:
    """Writes decisions, each as JSON, to a new file beside `beside`, durably, and says to which. Raises OSError."""
    path = beside.with_name(f"{beside.name}.{new_id()}")
    writing = path.with_name(f".{path.name}.part")
    try:
        with writing.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(each + b"\n" for each in decisions)
            file.flush()
            os.fsync(file.fileno())
        writing.rename(path)
        sync(path.parent)
    except OSError:
        writing.unlink(missing_ok=True)
        raise
    return path


def files(beside: Path) -> list[Path]:
    """Where something was left, the oldest first; one of an earlier version has no more to its name than `beside`."""
    return sorted(path for path in beside.parent.iterdir() if path.name.startswith(beside.name) and path.is_file())


def left(path: Path) -> list[LoggedDecision]:
    """What was left in a file; a last line that a crash cut short is none. Raises OSError."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(Stored(0, b"", line).read())
        except UnreadableDecisionError:
            continue
    return found
