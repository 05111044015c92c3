"""How identities and evidence are encrypted, whatever store they lie in: AES-256-GCM, nonce in front.

A sealed record is bound to its place (the associated data), so that two people's records cannot be swapped, and
padded, so that its length does not tell one number from another. Random 96-bit nonces under one key are safe for
2^32 records.
"""

import hmac
import json
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.people import Identity, Words

KEY_BYTES = 32
NONCE = 12
BLOCK = 32  # numbers, most mail addresses and most account ids fill one


class Sealing:
    """Seals and opens records under one key."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes. Raises ValueError for any other length."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, this one {len(key)}")
        self._cipher = AESGCM(key)
        self.check = hmac.digest(key, b"key check of the erasable stores", "sha256")[:16]

    def identities(self, identities: Sequence[Identity]) -> list[bytes]:
        """Each sealed, in order; about 2 µs each."""
        nonces = os.urandom(NONCE * len(identities))
        encrypt = self._cipher.encrypt
        sealed = []
        for index, (ref, kind, id_, _renews) in enumerate(identities):
            nonce = nonces[index * NONCE : (index + 1) * NONCE]
            sealed.append(nonce + encrypt(nonce, _padded(f"{kind}:{id_}"), ref.encode()))
        return sealed

    def identity(self, ref: str, sealed: bytes) -> Identity:
        """Raises ValueError if the record is damaged or of another reference."""
        kind, _colon, id_ = self._opened(sealed, ref.encode()).partition(":")
        return Identity(ref, kind, id_)

    def words(self, words: Words) -> bytes:
        """Evidence, sealed."""
        nonce = os.urandom(NONCE)
        text = json.dumps([words.salt.hex(), words.text, words.media])
        return nonce + self._cipher.encrypt(nonce, _padded(text), _place(words.ref, words.event_id))

    def opened_words(self, ref: str, event_id: str, sealed: bytes) -> Words:
        """Raises ValueError if the record is damaged or of another event."""
        salt, text, media = json.loads(self._opened(sealed, _place(ref, event_id)))
        return Words(ref, event_id, bytes.fromhex(salt), text, media)

    def _opened(self, sealed: bytes, place: bytes) -> str:
        try:
            padded = self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place)
        except InvalidTag:
            raise ValueError("a sealed record is damaged") from None
        return padded.rstrip(b"\0")[:-1].decode("utf-8", "surrogatepass")


def _place(ref: str, event_id: str) -> bytes:
    return f"{ref}/{event_id}".encode()


def _padded(text: str) -> bytes:
    plain = text.encode("utf-8", "surrogatepass") + b"\x80"
    return plain.ljust(-len(plain) // BLOCK * -BLOCK, b"\0")
