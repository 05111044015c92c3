"""The Merkle leaf of an entry: the bytes that stand for it in every hash, proof and bundle (`docs/evidence.md`)."""

import struct

from ledger.errors import TamperedError
from ledger.log import Recorded

HEAD = struct.Struct(">QH")


def leaf(recorded: Recorded) -> bytes:
    """`uint64(recorded_at in ms) ‖ uint16(length of key) ‖ key ‖ value`, big-endian.

    Raises TamperedError for an entry with a time, key or value that nobody can have written.
    """
    try:
        key = recorded.key.encode("utf-8", "surrogatepass")
        return HEAD.pack(recorded.recorded_at, len(key)) + key + recorded.value
    except (struct.error, TypeError, AttributeError):
        raise TamperedError(
            f"the entry at {tuple(recorded.position)} has a time, key or value of another kind; run verify"
        ) from None
