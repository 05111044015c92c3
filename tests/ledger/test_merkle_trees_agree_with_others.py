"""Trees, paths and their verification agree with RFC 9162, with Certificate Transparency and with pymerkle."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree
from pymerkle import verify_inclusion as pymerkle_accepts

from ledger.merkle import (
    EMPTY,
    Nodes,
    Peaks,
    complete_root,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of Certificate Transparency's test vectors, by size."""
INCLUSION = {
    (0, 8): """
96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7
5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4""",
    (5, 8): """
bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b
ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7""",
    (2, 3): "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    (1, 5): """
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b""",
}
CONSISTENCY = {
    (1, 1): "",
    (1, 8): INCLUSION[0, 8],
    (6, 8): """
0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a
ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7""",
    (2, 5): """
5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e
bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b""",
}
SIZES = st.integers(1, 300)


def nodes_of(hashes: list[bytes]) -> Nodes:
    return lambda level, index: complete_root(b"".join(hashes[index << level : (index + 1) << level]))


def hashes_of(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def by_the_book(leaves: list[bytes]) -> bytes:
    """The recursion of RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(by_the_book(leaves[:middle]), by_the_book(leaves[middle:]))


def test_roots_are_those_of_certificate_transparency() -> None:
    assert [root_of(map(leaf_hash, LEAVES[:size])).hex() for size in range(9)] == ROOTS


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_those_of_certificate_transparency(index: int, size: int) -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    proof = inclusion_proof(nodes_of(hashes), index, size)
    assert [one.hex() for one in proof] == INCLUSION[index, size].split()
    assert verify_inclusion(hashes[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proofs_are_those_of_certificate_transparency(old: int, new: int) -> None:
    proof = consistency_proof(nodes_of([leaf_hash(leaf) for leaf in LEAVES]), old, new)
    assert [one.hex() for one in proof] == CONSISTENCY[old, new].split()
    assert verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), proof)


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_a_growing_tree_has_the_root_of_the_definition(leaves: list[bytes]) -> None:
    peaks = Peaks()
    for size, leaf in enumerate(leaves):
        assert peaks.root() == by_the_book(leaves[:size])
        peaks.add(leaf_hash(leaf))
    assert peaks.root() == by_the_book(leaves)


@given(SIZES, st.data())
def test_every_leaf_is_proven_and_pymerkle_comes_to_the_same(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = hashes_of(size)
    proof, root = inclusion_proof(nodes_of(hashes), index, size), root_of(hashes)
    assert verify_inclusion(hashes[index], index, size, proof, root)
    theirs = InmemoryTree(algorithm="sha256")
    for number in range(size):
        theirs.append_entry(b"%d" % number)
    assert theirs.get_root() == root
    made = theirs.prove_inclusion(index + 1, size)
    pymerkle_accepts(hashes[index], root, made)
    assert made.path == [hashes[index], *proof]


@given(SIZES, st.data())
def test_every_earlier_tree_is_proven_to_be_the_beginning(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, size))
    hashes = hashes_of(size)
    proof = consistency_proof(nodes_of(hashes), old, size)
    assert verify_consistency(old, size, root_of(hashes[:old]), root_of(hashes), proof)


def changes_of(proof: list[bytes]) -> list[list[bytes]]:
    """Everything that one could try with a proof: bits, order, a hash more or less, one that is no hash."""
    forged = [[*proof, EMPTY], [EMPTY, *proof], proof[1:], proof[:-1], proof[::-1], []]
    for place, one in enumerate(proof):
        forged += [
            [*proof[:place], flipped(one), *proof[place + 1 :]],
            [*proof[:place], one[:-1], *proof[place + 1 :]],
            [*proof[:place], one, *proof[place:]],
        ]
    return [other for other in forged if other != proof]


def flipped(hashed: bytes) -> bytes:
    return bytes([hashed[0] ^ 1]) + hashed[1:]


@given(SIZES, st.data())
def test_no_forged_inclusion_proof_is_accepted(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = hashes_of(size)
    proof, root = inclusion_proof(nodes_of(hashes), index, size), root_of(hashes)
    accepts: Callable[..., bool] = verify_inclusion
    for forged in changes_of(proof):
        assert not accepts(hashes[index], index, size, forged, root)
    assert not accepts(flipped(hashes[index]), index, size, proof, root)
    assert not accepts(hashes[index], index, size, proof, flipped(root))
    for other in {-1, size, size + 1, *range(max(0, index - 2), min(size, index + 3))} - {index}:
        assert not accepts(hashes[index], other, size, proof, root)
    for other in (0, -1, index):
        assert not accepts(hashes[index], index, other, proof, root)


@given(SIZES, st.data())
def test_no_forged_consistency_proof_is_accepted(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    hashes = hashes_of(size)
    proof, before, after = consistency_proof(nodes_of(hashes), old, size), root_of(hashes[:old]), root_of(hashes)
    accepts: Callable[..., bool] = verify_consistency
    for forged in changes_of(proof):
        assert not accepts(old, size, before, after, forged)
    assert not accepts(old, size, flipped(before), after, proof)
    assert not accepts(old, size, before, flipped(after), proof)
    assert not accepts(size, old, after, before, proof) or old == size
    assert not accepts(old, old, before, flipped(before), [])
    for other in {-1, 0, old - 1, old + 1} - {old}:
        assert not accepts(other, size, before, after, proof)
    # A log that was changed within what was signed has no proof at all.
    changed = [*hashes[: old - 1], flipped(hashes[old - 1]), *hashes[old:]]
    theirs = consistency_proof(nodes_of(changed), old, size)
    assert not accepts(old, size, before, root_of(changed), theirs)


@given(st.integers(0, 300), st.data())
def test_the_empty_tree_begins_every_other_by_its_own_root_and_without_a_proof(size: int, data: st.DataObject) -> None:
    after = root_of(hashes_of(size))
    accepts: Callable[..., bool] = verify_consistency
    assert accepts(0, size, EMPTY, after, [])
    hashed = data.draw(st.binary(min_size=32, max_size=32))
    for proof in ([EMPTY], [after], [hashed], [EMPTY, after], [after, hashed]):
        assert not accepts(0, size, EMPTY, after, proof)
    for root in {flipped(EMPTY), root_of([hashed]), bytes(32), b"", EMPTY[:-1], root_of(hashes_of(size or 1))}:
        assert not accepts(0, size, root, after, [])
        assert not accepts(0, size, root, root, [])
        assert not accepts(0, 0, root, root, [])
