"""Signed notes, checkpoints and tiles have the form that other implementations read."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.checkpoint import Head, opened
from ledger.errors import TamperedError
from ledger.heads import Heads
from ledger.leaves import leaf
from ledger.log import Position, Recorded
from ledger.merkle import EMPTY, leaf_hash, root_of
from ledger.notes import Signer, Verifier
from ledger.tiles import TileTree, name_of, widths
from schemas.errors import InputError

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
SIGNER = Signer("ledger.example/one", Ed25519PrivateKey.from_private_bytes(bytes(32)))
HEAD = Head("ledger.example/one", 3, leaf_hash(b""))
HASHES = [leaf_hash(b"%d" % number) for number in range(1_000)]


class Shelf(dict[str, bytes]):
    """Tiles in memory."""

    def read(self, name: str) -> bytes | None:
        return self.get(name)

    def write(self, name: str, data: bytes) -> None:
        self[name] = data

    def settle(self) -> None:
        """Nothing can be lost here."""

    def remove_partial(self, name: str) -> None:
        for one in [one for one in self if one.startswith(f"{name}.p/")]:
            del self[one]


def test_the_note_that_the_specification_gives_is_verified() -> None:
    verifier = Verifier.of(VKEY)
    assert str(verifier) == VKEY
    assert verifier.opened(NOTE.encode()) == "This is an example message.\n"


def test_a_signature_of_somebody_else_beside_ours_is_ignored() -> None:
    other = Signer("witness.example", Ed25519PrivateKey.generate())
    both = HEAD.signed(SIGNER) + other.signed(HEAD.text).rpartition(b"\n\n")[2]
    assert opened(both, SIGNER.verifier) == HEAD


@pytest.mark.parametrize(
    "broken",
    [
        NOTE.replace("example message", "exemple message"),
        NOTE.replace("Uw2QOkn8", "Uw2QOkn9"),
        NOTE.replace("Uw2QOkn8", "Uw2QOln8"),
        NOTE.replace("example.com/foo", "example.com/fox"),
        NOTE.replace("— ", "- "),
        NOTE.replace("\n\n", "\n"),
        NOTE.rstrip("\n"),
        NOTE + "\n",
        NOTE.replace("message.", "message.\t"),
        NOTE + "— example.com/foo Uw2QOg==\n",
        NOTE + NOTE.splitlines()[2].replace("yaQM=", "yaQQ=") + "\n",
        "",
        "\n\n\n",
    ],
)
def test_a_note_that_was_changed_or_is_none_is_refused(broken: str) -> None:
    with pytest.raises(TamperedError):
        Verifier.of(VKEY).opened(broken.encode())


@pytest.mark.parametrize(
    "vkey",
    [
        "", "x", "x+y", VKEY.replace("530d903a", "530d903b"), VKEY.replace("AekyeR", "AukyeR"), VKEY[:-4],
        VKEY.replace("example.com/foo", "example.com/ foo"),
    ],
)  # fmt: skip
def test_what_is_no_verifier_key_is_explained(vkey: str) -> None:
    with pytest.raises(InputError):
        Verifier.of(vkey)


def test_a_checkpoint_is_three_lines_signed_under_its_origin() -> None:
    note = HEAD.signed(SIGNER)
    text = f"ledger.example/one\n3\n{b64encode(HEAD.root).decode()}\n"
    assert note.decode().startswith(f"{text}\n— ledger.example/one ")
    assert opened(note, SIGNER.verifier, "ledger.example/one") == HEAD
    with pytest.raises(TamperedError, match="not of"):
        opened(note, SIGNER.verifier, "ledger.example/two")
    with pytest.raises(TamperedError, match="not signed by"):
        opened(note, Signer("ledger.example/one", Ed25519PrivateKey.generate()).verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n",
        "o\n3\n",
        "o\n03\nAAAA\n",
        "\n3\nAAAA\n",
        "o\n-1\nAAAA\n",
        "o\n3\nAAAA\n",
        "o\n3\n!\n",
        "o\n3\n{root}\n\nx\n",
    ],
)
def test_what_is_no_checkpoint_is_refused_although_it_is_signed(text: str) -> None:
    said = text.format(root=b64encode(EMPTY).decode()) or "x\n"
    with pytest.raises(TamperedError):
        opened(SIGNER.named(said.partition("\n")[0] or "x").signed(said), SIGNER.verifier)


def test_tiles_have_the_names_and_widths_of_the_specification() -> None:
    assert name_of(0, 1_234_067) == "tile/0/x001/x234/067"
    assert name_of(2, 0, 1) == "tile/2/000.p/1"
    tiles = list(widths(70_000))
    assert len(tiles) == 273 + 1 + 1 + 1 + 1
    assert tiles[-4:] == [(0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)]
    assert list(widths(256)) == [(0, 0, 256), (1, 0, 1)]


@settings(max_examples=40)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_a_tree_that_grows_in_steps_has_the_tiles_and_roots_of_one_that_grew_at_once(steps: list[int]) -> None:
    shelf, size = Shelf(), 0
    tree = TileTree(shelf)
    for step in steps:
        size = tree.grow(size, HASHES[size : size + step])
        tree.tidy()
        assert {name_of(*tile) for tile in widths(size)} <= set(shelf)
        assert all(tree.root(old) == root_of(HASHES[:old]) for old in {size, size // 256 * 256})
    at_once = Shelf()
    TileTree(at_once).grow(0, HASHES[:size])
    assert {name: shelf[name] for name in at_once} == at_once


def test_a_leaf_has_the_bytes_that_the_page_says() -> None:
    """Written down, byte for byte, because everybody outside reads it so."""
    recorded = Recorded(Position(3, 7), 1_790_000_000_123, "operator:ledger", b'{"v":1}')
    assert leaf(recorded).hex() == "000001a0c4506c7b000f6f70657261746f723a6c65646765727b2276223a317d"
    assert leaf(Recorded(Position(0, 0), 1, "é" * 128, b"")).hex() == "00000000000000010100" + "c3a9" * 128
    assert leaf_hash(leaf(recorded)).hex() == "b90c0fc09f373adee6d09b00219cf2f01ed0477904acf662fb5a895d52fb889c"


def test_heads_lie_in_entry_bundles_and_are_read_back() -> None:
    shelf = Shelf()
    heads = Heads(shelf, "o")
    told = [Head(f"o/0/{number % 3}", number + 1, HASHES[number]) for number in range(300)]
    for number in range(0, 300, 20):
        head = heads.grow(told[number : number + 20])
        heads.tidy()
    assert head == Head("o", 300, root_of(leaf_hash(one.text.encode()) for one in told))
    assert shelf["tile/entries/000"].startswith(len(told[0].text).to_bytes(2, "big") + told[0].text.encode())
    again = Heads(shelf, "o")
    again.load(300)
    assert [one.head for one in again.all] == told
    with pytest.raises(TamperedError, match="missing"):
        Heads(shelf, "o").load(301)
    with pytest.raises(TamperedError, match="no partition of"):
        Heads(shelf, "p").load(300)
    shelf["tile/entries/000"] = shelf["tile/entries/000"][:-1]
    with pytest.raises(TamperedError, match="damaged"):
        Heads(shelf, "o").load(299)
