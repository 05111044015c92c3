"""Keyed references: the vectors of the design, what a disclosed key proves, and what it does not."""

import hashlib
import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.reference import SECRET_BYTES, References, new_secret
from schemas.subject import Subject

SECRET = bytes(range(32))
VECTORS = {
    ("number", "+14165551201"): "926989582873aec9606b07f626fdef71",
    ("account", "ACC-77"): "3c3ba7f5e0715349928113e63810e0d4",
    ("email", "jean@example.org"): "7c98bed60a3070b56a60b1a1ef7108cd",
}
TEXT = st.text(max_size=100)


def proves(k: bytes, kind: str, id_: str, ref: str) -> bool:
    """What an outsider computes who was shown k: SHA-256(k ‖ kind ":" id), its first 16 bytes."""
    return hashlib.sha256(k + f"{kind}:{id_}".encode()).digest()[:16].hex() == ref


@pytest.mark.parametrize(("named", "expected"), VECTORS.items())
def test_a_reference_is_that_of_the_design(named: tuple[str, str], expected: str) -> None:
    references = References(SECRET)
    assert references.of(*named) == expected
    assert references.of_subject(Subject(*named)) == expected  # type: ignore[arg-type]
    assert references.digest(*named).hex() == expected


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES), TEXT, TEXT)
def test_a_reference_is_made_of_hmac_sha_256_as_anybody_has_it(secret: bytes, kind: str, id_: str) -> None:
    references, named = References(secret), f"{kind}:{id_}".encode()
    k = hmac.digest(secret, named, "sha256")
    assert references.proof(kind, id_) == k
    assert references.digest(kind, id_) == hashlib.sha256(k + named).digest()[:16]
    assert references.derived_key(id_) == hmac.digest(secret, f"derive:{id_}".encode(), "sha256")


@given(st.lists(TEXT | st.text(st.characters(codec=None), max_size=5), max_size=20))
def test_many_references_at_once_are_those_of_each(ids: list[str]) -> None:
    references = References(SECRET)
    assert references.digests("number", ids) == [references.digest("number", id_) for id_ in ids]


def test_a_disclosed_key_proves_its_own_reference_and_no_other() -> None:
    references = References(SECRET)
    for mine, ref in VECTORS.items():
        k = references.proof(*mine)
        assert [proves(k, *other, VECTORS[other]) for other in VECTORS] == [other == mine for other in VECTORS]
        assert not proves(k, "account", mine[1] + "x", ref)


def test_kinds_keep_equal_ids_apart() -> None:
    references = References(SECRET)
    assert len({references.of(kind, "1") for kind in ("number", "email", "account", "agent", "key")}) == 5


def test_another_secret_gives_other_references_and_another_fingerprint() -> None:
    one, other = References(SECRET), References(new_secret())
    assert one.fingerprint != other.fingerprint
    assert all(other.of(*named) != ref for named, ref in VECTORS.items())
    assert one.fingerprint == References(SECRET).fingerprint
    assert one.fingerprint not in SECRET.hex()


def test_a_secret_is_new_each_time_and_of_one_length() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert {len(new_secret()) for _ in range(10)} == {SECRET_BYTES}
    for wrong in (b"", SECRET[:-1], SECRET + b"\0", bytes(64)):
        with pytest.raises(ValueError, match=f"a secret has 32 bytes, this one {len(wrong)}"):
            References(wrong)


def test_no_text_is_without_a_reference_and_no_two_texts_share_one() -> None:
    texts = ["", "a", "\x00", "é", "e\u0301", "\ud800", "\udfff", "\\ud800", "🛑", "x" * 100_000]
    assert len({References(SECRET).of("key", text) for text in texts}) == len(texts)


def test_another_process_of_ours_makes_the_same_references() -> None:
    assert pickle.loads(pickle.dumps(References(SECRET))).fingerprint == References(SECRET).fingerprint
