"""Keyed references: how the ledger knows a person without naming one (`docs/privacy.md`).

k   = HMAC-SHA-256(secret, kind ":" id)          disclosed to prove one reference, and no other
ref = SHA-256(k ‖ kind ":" id), first 16 bytes, hex
"""

import os
from collections.abc import Iterable
from hashlib import sha256

from schemas.subject import Subject

SECRET_BYTES = 32
BLOCK = 64  # of SHA-256; RFC 2104 calls it B


class References:
    """Makes references under one secret; about a microsecond each (two prepared SHA-256 states, RFC 2104)."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 bytes. Raises ValueError for any other length."""
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"a secret has {SECRET_BYTES} bytes, this one {len(secret)}")
        self._secret = secret
        padded = secret.ljust(BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def proof(self, kind: str, id_: str) -> bytes:
        """`k` of one identifier: whoever is shown it can check that one reference."""
        inner = self._inner.copy()
        inner.update(_named(kind, id_))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def digest(self, kind: str, id_: str) -> bytes:
        """The reference as 16 bytes."""
        named = f"{kind}:{id_}".encode("utf-8", "surrogatepass")  # as `_named` has it; a call less, of a microsecond
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(named)
        outer.update(inner.digest())
        return sha256(outer.digest() + named).digest()[:16]

    def digests(self, kind: str, ids: Iterable[str]) -> list[bytes]:
        """The references of many identifiers of one kind, 16 bytes each; a list of millions is made here."""
        inner_copy, outer_copy = self._inner.copy, self._outer.copy
        prefix, made = f"{kind}:".encode(), []
        for id_ in ids:
            named = prefix + id_.encode("utf-8", "surrogatepass")
            inner, outer = inner_copy(), outer_copy()
            inner.update(named)
            outer.update(inner.digest())
            made.append(sha256(outer.digest() + named).digest()[:16])
        return made

    def __reduce__(self) -> tuple[type["References"], tuple[bytes]]:
        """Handed, with the secret, to a process of our own that makes references too; never to be stored."""
        return References, (self._secret,)

    def of(self, kind: str, id_: str) -> str:
        """The reference of an identifier of a kind, 32 hex digits."""
        return self.digest(kind, id_).hex()

    def of_subject(self, subject: Subject) -> str:
        """The reference of a contact or an account."""
        return self.of(subject.kind, subject.id)

    @property
    def fingerprint(self) -> str:
        """Tells two secrets apart and reveals neither; `LedgerOpened` carries it."""
        return self.of("fingerprint", "secret")

    def derived_key(self, purpose: str) -> bytes:
        """32 bytes for another use of the same secret, such as the encryption of the erasable stores."""
        return self.proof("derive", purpose)


def _named(kind: str, id_: str) -> bytes:
    # An idempotency key may be any text, half a surrogate pair too: an opt-out is not refused for it.
    return f"{kind}:{id_}".encode("utf-8", "surrogatepass")


def new_secret() -> bytes:
    """A fresh secret. It can never be rotated: without it nobody can be looked up again."""
    return os.urandom(SECRET_BYTES)
