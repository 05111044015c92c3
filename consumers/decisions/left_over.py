"""Decisions that a process could not log before it ended, in a file beside its snapshot, for the next one to log."""

import os
from collections.abc import Iterable
from pathlib import Path

from ledger.decisions import Stored, UnreadableDecisionError
from schemas.distributed import LoggedDecision


def leave(path: Path, decisions: Iterable[LoggedDecision]) -> None:
    """Adds decisions to the file, durably. Raises OSError."""
    with path.open("ab") as file:
        file.writelines(each.model_dump_json().encode() + b"\n" for each in decisions)
        file.flush()
        os.fsync(file.fileno())


def left(path: Path) -> list[LoggedDecision]:
    """What was left; a last line that a crash cut short is none. Raises OSError."""
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(Stored(0, b"", line).read())
        except UnreadableDecisionError:
            continue
    return found
