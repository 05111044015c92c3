"""A copy as one file that is mapped into memory: sections of raw bytes, then a footer that says what they are.

The footer is written last and holds a digest of everything before it, and ends in a digest of itself: a file that was
cut off, damaged or mixed with another is told from a whole one, wherever that happened. The file is written beside its
place and put there by one rename; whoever has the old one mapped goes on with it.
"""

import hashlib
import mmap
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, NamedTuple

import orjson

from consumers.replica.errors import SnapshotError
from ledger.errors import NoRoomError, UnavailableError

MAGIC: Final = b"PLREPLIC"
FORMAT: Final = 1
ALIGNED: Final = 64
TAIL: Final = 32 + 8 + len(MAGIC)
REBUILD: Final = "it is made anew from the projections"


class Image(NamedTuple):
    """A mapped file: what its footer says, and its sections by name."""

    meta: dict[str, Any]
    sections: dict[str, memoryview]


def write(file: IO[bytes], meta: Mapping[str, object], sections: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Writes an image: `sections` as their bytes in pieces."""
    digest, at, places = hashlib.sha256(), 0, {}

    def put(piece: bytes) -> None:
        nonlocal at
        file.write(piece)
        digest.update(piece)
        at += len(piece)

    put(MAGIC)
    for name, pieces in sections:
        put(bytes(-at % ALIGNED))
        start = at
        for piece in pieces:
            put(piece)
        places[name] = [start, at - start]
    said = {"format": FORMAT, "byteorder": sys.byteorder, "sections": places, "body": digest.hexdigest(), "meta": meta}
    footer = orjson.dumps(said)
    file.write(footer + hashlib.sha256(footer).digest() + len(footer).to_bytes(8, "little") + MAGIC)
    file.flush()


def read(file: BinaryIO, name: str, check: bool = True) -> Image:
    """Maps an image. `check`: reads all of it once, which also brings it into memory. Raises SnapshotError."""
    size = os.fstat(file.fileno()).st_size
    if size < len(MAGIC) + TAIL:
        raise SnapshotError(f"{name} is no snapshot ({size:,} bytes); {REBUILD}")
    whole = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    if whole[: len(MAGIC)].tobytes() != MAGIC:
        raise SnapshotError(f"{name} is no snapshot; {REBUILD}")
    if whole[-len(MAGIC) :].tobytes() != MAGIC:
        raise SnapshotError(f"{name} was cut off; {REBUILD}")
    end = size - TAIL
    start = end - int.from_bytes(whole[end + 32 : end + 40], "little")
    if start < len(MAGIC) or hashlib.sha256(whole[start:end]).digest() != whole[end : end + 32]:
        raise SnapshotError(f"{name} is damaged at its end; {REBUILD}")
    said = orjson.loads(whole[start:end])
    if (said["format"], said["byteorder"]) != (FORMAT, sys.byteorder):
        raise SnapshotError(f"{name} was written by another version or machine; {REBUILD}")
    if check and hashlib.sha256(whole[:start]).hexdigest() != said["body"]:
        raise SnapshotError(f"{name} is damaged; {REBUILD}")
    return Image(said["meta"], {name: whole[at : at + length] for name, (at, length) in said["sections"].items()})


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` once the block has ended well, and is gone if it has not."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as draft:
            try:
                yield draft
                draft.flush()
                os.fsync(draft.fileno())
                os.replace(draft.name, path)
            except BaseException:
                os.unlink(draft.name)
                raise


@contextmanager
def explained(path: Path | None) -> Iterator[None]:
    """Says what the machine's errors mean for a copy: NoRoomError, UnavailableError."""
    where = path or tempfile.gettempdir()
    try:
        yield
    except OSError as error:
        if error.errno in (28, 122):  # ENOSPC, EDQUOT
            raise NoRoomError(f"there is no room to write the copy {where}; make room and repeat") from error
        raise UnavailableError(f"the copy {where} cannot be written: {error.strerror or error}") from error
