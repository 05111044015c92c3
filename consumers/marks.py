"""Marks in the data folder: files named by a reference, for what is under way on this machine and must be finished."""

from contextlib import suppress
from pathlib import Path

from ledger.errors import UnavailableError


def make_mark(folder: Path, ref: str) -> Path:
    """Makes a mark, and the folder of its kind. Raises UnavailableError."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / ref).touch(mode=0o600)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UnavailableError(f"nothing was erased: {folder} cannot be written: {why}; repeat then") from error
    return folder / ref


def marks_in(folder: Path) -> list[Path]:
    """The marks of a kind."""
    with suppress(FileNotFoundError):
        return list(folder.iterdir())
    return []
