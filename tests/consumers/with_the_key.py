"""What somebody can read who holds every file and the secret: the adversary of an erasure."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.reference import References

NONCE, TAG, BLOCK = 12, 16, 32
EMPTY = bytes(6)
"""Sealed records look random: one that holds this is met once in so many trillions; empty pages are made of it."""


OFFSETS_ONLY = (".index", ".timeindex", ".txnindex")
"""Of a broker's files those that hold positions and times, in 10 MB each."""


def files_below(*folders: Path) -> dict[Path, bytes]:
    """Every file, journals and temporary ones included; one that is removed meanwhile is none."""
    found = {}
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        with suppress(FileNotFoundError):
            if path.is_file() and not any(suffix in path.suffixes for suffix in OFFSETS_ONLY):
                found[path] = path.read_bytes()
    return found


def spellings(number: str) -> list[bytes]:
    """A number as text in the usual encodings, without its plus, and as an integer of eight bytes."""
    digits = number.removeprefix("+")
    texts = [digits.encode(code) for code in ("ascii", "utf-16-le", "utf-16-be")]
    return [*texts, digits[-10:].encode(), int(digits).to_bytes(8, "big"), int(digits).to_bytes(8, "little")]


def in_the_clear(files: dict[Path, bytes], texts: Iterable[bytes]) -> list[Path]:
    """The files in which one of the texts can be read as it is."""
    wanted = list(texts)
    return [path for path, content in files.items() if any(text in content for text in wanted)]


class KeyInHand:
    """Tries the key of the erasable stores at every byte of a file."""

    def __init__(self, secret_file: Path) -> None:
        secret = bytes.fromhex(secret_file.read_text("ascii").strip())
        self.references = References(secret)
        self._cipher = AESGCM(self.references.derived_key("people"))

    def found(self, content: bytes, places: Iterable[str], blocks: int) -> set[bytes]:
        """What can be decrypted, at any place in the content, of records of so many blocks bound to one of `places`
        (a reference, or reference/event id); unlike a search for ciphertexts it needs none to have been seen before."""
        size = NONCE + blocks * BLOCK + TAG
        return {
            plain.rstrip(b"\0")[:-1]
            for place in places
            for start in range(len(content) - size + 1)
            if EMPTY not in (sealed := content[start : start + size])
            for plain in self._opened(sealed, place)
        }

    def _opened(self, sealed: bytes, place: str) -> Iterator[bytes]:
        try:
            yield self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place.encode())
        except InvalidTag:
            return
