"""Merkle trees as RFC 9162 has them (section 2.1): hashes, proofs and their strict verification. Pure.

A range of leaves is `(start, end)`, end not included. What is hashed is in `ledger/leaves.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH = 32
EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""

Range = tuple[int, int]
Nodes = Callable[[int, int], bytes]
"""The root of the complete subtree number `index` of `2**level` leaves, given (level, index)."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node."""
    return sha256(b"\1" + left + right).digest()


def complete_root(hashes: bytes) -> bytes:
    """The root over 1, 2, 4, … hashes that stand one after the other."""
    while len(hashes) > HASH:
        hashes = b"".join(
            [sha256(b"\1" + hashes[start : start + 2 * HASH]).digest() for start in range(0, len(hashes), 2 * HASH)]
        )
    return hashes


class Peaks:
    """The roots of the complete subtrees that a growing tree is made of, left to right: all that its root needs."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, root: bytes, level: int = 0) -> None:
        """Adds the next complete subtree of `2**level` leaves; the size must be a multiple of that."""
        over = self.size >> level
        while over & 1:
            root, over = node_hash(self._peaks.pop(), root), over >> 1
        self._peaks.append(root)
        self.size += 1 << level

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        return _folded(self._peaks)


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The root over hashes of leaves."""
    peaks = Peaks()
    for one in hashes:
        peaks.add(one)
    return peaks.root()


def range_root(nodes: Nodes, start: int, end: int) -> bytes:
    """The root over a range that begins where one of its proofs has a subtree begin (0 always is)."""
    roots = []
    while start < end:
        level = (end - start).bit_length() - 1
        roots.append(nodes(level, start >> level))
        start += 1 << level
    return _folded(roots)


def _folded(roots: Sequence[bytes]) -> bytes:
    if not roots:
        return EMPTY
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def _split(start: int, end: int) -> int:
    """Where a node over that many leaves divides them: after the largest power of two that is smaller."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def inclusion_proof(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """The audit path of a leaf in a tree of that size, from the leaf up. Raises ValueError outside of it."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return [range_root(nodes, *one) for one in reversed(path)]


def consistency_proof(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """What shows that a tree of size `new` begins with that of size `old`. Raises ValueError for a larger `old`."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not begin with one of {old}")
    if old in (0, new):
        return []
    path: list[Range] = []
    start, end = 0, new
    while end != old:
        middle = _split(start, end)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    path += [(start, end)] if start else []  # the old root itself is known to who asks
    return [range_root(nodes, *one) for one in reversed(path)]


def verify_inclusion(hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf of that hash is number `index` under the root of a tree of that size (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes([hashed, root, *proof]):
        return False
    own, last, found = index, size - 1, hashed
    for one in proof:
        if last == 0:
            return False
        if own & 1 or own == last:
            found = node_hash(one, found)
            own, last = _climbed(own, last)
        else:
            found = node_hash(found, one)
        own, last = own >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of size `new` begins with that of size `old` (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new or not _are_hashes([old_root, new_root, *proof]):
        return False
    if old == 0:
        return not proof and old_root == EMPTY and (new > 0 or new_root == EMPTY)
    if old == new:
        return not proof and old_root == new_root
    return bool(proof) and _are_consistent(old, new, old_root, new_root, list(proof))


def _are_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
    if old & (old - 1) == 0:
        proof.insert(0, old_root)
    own, last = old - 1, new - 1
    while own & 1:
        own, last = own >> 1, last >> 1
    before = after = proof[0]
    for one in proof[1:]:
        if last == 0:
            return False
        if own & 1 or own == last:
            before, after = node_hash(one, before), node_hash(one, after)
            own, last = _climbed(own, last)
        else:
            after = node_hash(after, one)
        own, last = own >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _climbed(own: int, last: int) -> tuple[int, int]:
    """Past the levels at which the last node has no sibling."""
    while own and not own & 1:
        own, last = own >> 1, last >> 1
    return own, last


def _are_hashes(said: Sequence[bytes]) -> bool:
    return all(isinstance(one, bytes) and len(one) == HASH for one in said)
