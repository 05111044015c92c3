"""Signed notes, exactly as C2SP's signed-note has them, with Ed25519 (signature type 0x01)."""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import TamperedError
from schemas.errors import InputError

ED25519 = b"\x01"
NAME = re.compile(r"[^\s+]+")
MAX_BYTES = 100_000
MAX_SIGNATURES = 64


class Verifier:
    """A public key under a name."""

    def __init__(self, name: str, key: bytes) -> None:
        """`key`: 32 bytes. Raises InputError for a name with spaces or a plus, or for something that is no key."""
        if not NAME.fullmatch(name):
            raise InputError(f"a key name must have neither spaces nor a plus: {name!r}")
        if len(key) != 32:
            raise InputError(f"an Ed25519 public key has 32 bytes, this one {len(key)}")
        self.name = name
        self.key = key
        self._public = Ed25519PublicKey.from_public_bytes(key)

    @classmethod
    def of(cls, vkey: str) -> "Verifier":
        """The verifier that a vkey (`name+keyid+base64`) says. Raises InputError."""
        name, _, rest = vkey.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        typed = _bytes(encoded)
        if typed is None or typed[:1] != ED25519 or len(typed) != 33:
            raise InputError(f"{vkey.strip()[:80]!r} is no verifier key (NAME+ID+BASE64) of Ed25519")
        verifier = cls(name, typed[1:])
        if key_id != verifier.key_id.hex():
            raise InputError(f"the verifier key says that its id is {key_id[:20]}, but it is {verifier.key_id.hex()}")
        return verifier

    @property
    def key_id(self) -> bytes:
        """What names this key in a signature, four bytes."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        """The vkey."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519 + self.key).decode()}"

    def named(self, name: str) -> "Verifier":
        """The same key under another name."""
        return Verifier(name, self.key)

    def opened(self, note: bytes) -> str:
        """The text of a note that this key has signed. Raises TamperedError."""
        text, lines = _parted(note)
        signatures = [signed for name, signed in map(_signature, lines) if name == self.name]
        own = [signed[4:] for signed in signatures if signed[:4] == self.key_id]
        if not own:
            raise TamperedError(f"the note is not signed by {self.name} with the key {self.key_id.hex()}")
        for signature in own:
            try:
                self._public.verify(signature, text.encode())
            except InvalidSignature:
                raise TamperedError(f"the signature of {self.name} on the note is false") from None
        return text


class Signer:
    """A private key under a name."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        """Raises InputError for a name with spaces or a plus."""
        self._key = key
        self.verifier = Verifier(name, key.public_key().public_bytes_raw())

    def named(self, name: str) -> "Signer":
        """The same key under another name."""
        return Signer(name, self._key)

    def signed(self, text: str) -> bytes:
        """The note of a text, which ends in a newline."""
        signature = b64encode(self.verifier.key_id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.verifier.name} {signature}\n".encode()


def _parted(note: bytes) -> tuple[str, list[str]]:
    """Text and signature lines. Raises TamperedError for what is no note."""
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise TamperedError("it is no signed note: it is not UTF-8") from None
    text, gap, signatures = whole.rpartition("\n\n")
    lines = signatures.split("\n")
    if len(note) > MAX_BYTES or not gap or len(lines) < 2 or lines.pop() or len(lines) > MAX_SIGNATURES:
        raise TamperedError("it is no signed note: a text, an empty line, and signature lines that end in a newline")
    if any(ord(letter) < 0x20 and letter != "\n" for letter in whole):
        raise TamperedError("it is no signed note: there are control characters in it")
    return text + "\n", lines


def _signature(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    signed = _bytes(parts[2]) if len(parts) == 3 else None
    if parts[0] != "—" or signed is None or len(signed) < 5 or not NAME.fullmatch(parts[1]):
        raise TamperedError("it is no signed note: a line after the text is no signature")
    return parts[1], signed


def _bytes(encoded: str) -> bytes | None:
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def signature_lines(note: bytes) -> Iterator[str]:
    """Who claims to have signed a note; for messages. Raises TamperedError."""
    return (_signature(line)[0] for line in _parted(note)[1])
