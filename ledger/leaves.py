"""The Merkle leaf of an entry: the bytes that stand for it in every hash, proof and bundle (`docs/evidence.md`)."""

import struct

from ledger.log import Recorded

HEAD = struct.Struct(">QH")


def leaf(recorded: Recorded) -> bytes:
    """`uint64(recorded_at in ms) ‖ uint16(length of key) ‖ key ‖ value`, big-endian.

    Raises ValueError for a time or a key that does not fit.
    """
    key = recorded.key.encode("utf-8", "surrogatepass")
    try:
        return HEAD.pack(recorded.recorded_at, len(key)) + key + recorded.value
    except struct.error:
        raise ValueError(f"the entry at {tuple(recorded.position)} has a time or a key that no leaf can hold") from None
