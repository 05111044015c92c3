"""Checkpoints as C2SP's tlog-checkpoint has them, and proofs in one text as its tlog-proof has them."""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import NamedTuple

from ledger.errors import TamperedError
from ledger.merkle import HASH
from ledger.notes import Signer, Verifier

DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
PROOF = "c2sp.org/tlog-proof@v1"


class Head(NamedTuple):
    """The head of a tree: whose it is, how many leaves it has, and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed: origin, size and root, a line each."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def of(cls, text: str) -> "Head":
        """The head that a text says, which may have further lines. Raises TamperedError."""
        lines = text.split("\n")
        root = _hash(lines[2]) if len(lines) > 3 else None
        if root is None or not lines[0] or not DECIMAL.fullmatch(lines[1]) or "" in lines[3:-1] or lines[-1]:
            raise TamperedError("it is no checkpoint: origin, size and root in base64, a line each")
        return cls(lines[0], int(lines[1]), root)

    def signed(self, signer: Signer) -> bytes:
        """The checkpoint, signed by a key of the origin's name."""
        return signer.named(self.origin).signed(self.text)


def opened(note: bytes, verifier: Verifier, origin: str | None = None) -> Head:
    """The head that a checkpoint says, signed under its origin's name. `origin`: whose it must be.

    Raises TamperedError for a wrong key, origin or signature, or for something that is no checkpoint.
    """
    said = note.partition(b"\n")[0].decode("utf-8", "replace")
    if origin is not None and said != origin:
        raise TamperedError(f"it is a checkpoint of {said!r}, not of {origin!r}")
    named = verifier.named(said) if said and " " not in said and "+" not in said else verifier
    return Head.of(named.opened(note))


def proof_text(index: int, proof: Sequence[bytes], checkpoint: bytes) -> str:
    """An inclusion proof and the checkpoint that it leads to, in one text."""
    lines = [PROOF, f"index {index}", *(b64encode(one).decode() for one in proof)]
    return "\n".join(lines) + "\n\n" + checkpoint.decode()


def _hash(encoded: str) -> bytes | None:
    try:
        decoded = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if len(decoded) == HASH else None
