"""Files that appear only when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import NoRoomError, UnavailableError
from schemas.errors import InputError


def must_differ(source: Path, *outputs: Path | None) -> None:
    """Nothing is written over the list itself, nor two lists into one file. Raises InputError."""
    paths = [path.resolve() for path in (source, *outputs) if path is not None]
    if len(set(paths)) < len(paths):
        raise InputError("the file to read and the files to write must be different files")


@contextmanager
def complete(path: Path) -> Iterator[Path]:
    """Where to write what becomes `path` when the block has ended well. Raises NoRoomError, UnavailableError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        os.replace(draft, path)
    except OSError as error:
        if error.errno in (28, 122):  # ENOSPC, EDQUOT
            raise NoRoomError(f"there is no room to write {path}; make room and try again") from error
        raise UnavailableError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
