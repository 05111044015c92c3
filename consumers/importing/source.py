"""The file itself: what it is, its digest, and its encoding, decided on the whole of it before a row is read.

An encoding guessed from a file's beginning goes wrong at its first accent, after rows were written. So every byte is
seen once first: the file is UTF-8, or UTF-16 with its mark, or else Windows-1252, or it is refused.
"""

import codecs
import hashlib
import stat
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

from schemas.errors import InputError, shown

Format = Literal["csv", "jsonl", "json", "parquet"]
CHUNK: Final = 1 << 20
LONGEST_LINE: Final = 1_000_000
SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import. `digest` is the SHA-256 of its bytes, in hex; it tells one edition of a list from the next."""

    path: Path
    format: Format
    digest: str
    encoding: str
    size: int
    state: tuple[int, int, int]

    def must_be_unchanged(self, so_far: str) -> None:
        """Raises InputError if somebody wrote to the file, or put another in its place, since it was first read."""
        if _state(self.path) != self.state:
            raise InputError(f"{shown(self.path)} was changed while it was being read; {so_far}")

    def lines(self) -> Generator[str, None, None]:
        """The lines of a text with their ends. Raises InputError at one that is too long to be a row."""
        with self.path.open(encoding=self.encoding, newline="\n" if self.format == "jsonl" else "") as text:
            for number, line in enumerate(iter(lambda: text.readline(LONGEST_LINE), ""), 1):
                if len(line) == LONGEST_LINE:
                    raise InputError(f"line {number} is longer than {LONGEST_LINE:,} characters; is this a list?")
                yield line


def opened(path: Path) -> Source:
    """The file at a path, read once from end to end. Raises InputError where it cannot be a list."""
    state = _state(path)
    try:
        with path.open("rb") as file:
            form = _format(path, file.read(4096))
            file.seek(0)
            digest, encoding = _parquet_digest(file) if form == "parquet" else _digest_and_encoding(path, file)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror}") from None
    return Source(path, form, digest, encoding, state[1], state)


def _state(path: Path) -> tuple[int, int, int]:
    """Inode, size and time of change of a file with something in it."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{shown(path)} cannot be read: {getattr(error, 'strerror', error)}") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{shown(path)} is a folder; name one file in it")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{shown(path)} is no regular file; an import reads its file more than once, so save it first")
    if found.st_size == 0:
        raise InputError(f"{shown(path)} is empty; nothing was recorded")
    return found.st_ino, found.st_size, found.st_mtime_ns


def _format(path: Path, start: bytes) -> Format:
    """By the name; by the first bytes where the name does not say."""
    by_name = SUFFIXES.get(path.suffix.lower())
    is_parquet = start.startswith(b"PAR1")
    if by_name == "parquet" and not is_parquet:
        raise InputError(f"{shown(path)} is not a Parquet file, whatever its name says")
    if by_name is not None and not is_parquet:
        return by_name
    text = start.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n")
    return "parquet" if is_parquet else {b"[": "json", b"{": "jsonl"}.get(text[:1], "csv")  # type: ignore[return-value]


def _parquet_digest(file: BinaryIO) -> tuple[str, str]:
    digest = hashlib.sha256()
    end = b""
    for chunk in iter(lambda: file.read(CHUNK), b""):
        digest.update(chunk)
        end = (end + chunk)[-4:]
    if end != b"PAR1":
        raise InputError("the Parquet file ends in the middle; it was not copied to its end. Nothing was recorded")
    return digest.hexdigest(), "binary"


def _digest_and_encoding(path: Path, file: BinaryIO) -> tuple[str, str]:
    digest = hashlib.sha256()
    start = file.read(4)
    file.seek(0)
    utf16 = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    trials = [_Trial("utf-16")] if utf16 else [_Trial("utf-8-sig"), _Trial("cp1252")]
    lines = 1
    for chunk in iter(lambda: file.read(CHUNK), b""):
        digest.update(chunk)
        if not utf16 and b"\0" in chunk:
            line = lines + chunk[: chunk.index(b"\0")].count(b"\n")
            raise InputError(f"{shown(path)} holds a zero byte in line {line}; it is no text. Save it as UTF-8")
        lines += chunk.count(b"\n")
        trials = [trial for trial in trials if trial.takes(chunk)]
    for trial in trials:
        if trial.takes(b"", final=True):
            return digest.hexdigest(), trial.encoding
    known = "not the UTF-16 that its first bytes promise" if utf16 else "neither UTF-8 nor Windows-1252"
    raise InputError(f"{shown(path)} is {known}; save it as UTF-8. Nothing was recorded")


class _Trial:
    """Whether all bytes can be read in an encoding."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def takes(self, chunk: bytes, final: bool = False) -> bool:
        try:
            self._decoder.decode(chunk, final)
        except UnicodeError:
            return False
        return True
