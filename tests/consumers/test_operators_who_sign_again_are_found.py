"""The operator holds the key and writes bundle and export, so that whatever they say is signed; they are found out."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.proofs import verify_bundle
from ledger.checkpoint import Head
from ledger.leaves import HEAD
from ledger.merkle import complete_root, inclusion_proof, leaf_hash, root_of
from ledger.notes import Signer
from ledger.reference import References

NAME = "ledger.example/x"
REFERENCES = References(bytes(range(32)))
PERSON = REFERENCES.of("number", "+14165550123")
Document = dict[str, Any]


def leaf_of(number: int, key: str, **fields: object) -> bytes:
    """An event that was recorded a second after the one before it."""
    event = {"event_id": f"e{number}", "type": "PreferenceRevoked", "subject": key} | fields
    return HEAD.pack(1_790_000_000_000 + 1000 * number, len(key)) + key.encode() + json.dumps(event).encode()


def proof_of(leaves: list[bytes], index: int) -> list[str]:
    hashes = [leaf_hash(one) for one in leaves]

    def node(level: int, at: int) -> bytes:
        return complete_root(b"".join(hashes[at << level : (at + 1) << level]))

    return [b64encode(one).decode() for one in inclusion_proof(node, index, len(leaves))]


class Operator:
    """An operator with one key, who says of the log whatever suits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = Signer(NAME, Ed25519PrivateKey.generate())
        self.leaves = [leaf_of(number, PERSON if number % 10 == 5 else f"{number:032x}") for number in range(50)]
        self.heads: list[Head] = []
        self.k = REFERENCES.proof("number", "+14165550123")
        self.subjects: list[Document] = [{"ref": PERSON, "kind": "number", "id": "+14165550123", "k": self.k.hex()}]
        self.evidence: list[Document] = []

    def tell(self, leaves: list[bytes] | None = None, origin: str = f"{NAME}/0/0") -> None:
        """Adds a head."""
        leaves = self.leaves if leaves is None else leaves
        self.heads.append(Head(origin, len(leaves), root_of(map(leaf_hash, leaves))))

    def note(self, origin: str = NAME) -> bytes:
        """A checkpoint of the heads that were told so far, under the name of the ledger whatever its origin says."""
        top = Head(origin, len(self.heads), root_of(leaf_hash(head.text.encode()) for head in self.heads))
        return self.signer.signed(top.text)

    def keep(self) -> Path:
        """An auditor's own file, of what is signed now."""
        path = self.folder / f"kept {len(self.heads)}"
        path.write_bytes(self.note())
        return path

    def bundle(self) -> Document:
        """Of the person, under the newest head."""
        newest = self.heads[-1]
        texts = [head.text.encode() for head in self.heads]
        head = {"index": len(texts) - 1, "text": newest.text, "proof": proof_of(texts, len(texts) - 1)}
        own = [(index, one) for index, one in enumerate(self.leaves) if one[10:42] == PERSON.encode()]
        entries = [
            {"head": head["index"], "index": at, "leaf": b64encode(one).decode(), "proof": proof_of(self.leaves, at)}
            for at, one in own
        ]
        return {
            "format": "prefledger-bundle@1", "key": str(self.signer.verifier), "checkpoint": self.note().decode(),
            "subjects": self.subjects, "heads": [head], "entries": entries, "evidence": self.evidence,
        }  # fmt: skip

    def log(self) -> list[Document]:
        """The export, under the origin of the newest head."""
        leaves = [{"origin": self.heads[-1].origin, "leaf": b64encode(one).decode()} for one in self.leaves]
        heads = [{"head": at, "text": head.text} for at, head in enumerate(self.heads)]
        return [{"format": "prefledger-log@1", "checkpoint": self.note().decode()}, *heads, *leaves]

    def asked(self, *options: str, bundle: Document | None = None, log: list[Document] | None = None) -> int:
        """The exit code of the script."""
        (self.folder / "bundle.json").write_text(json.dumps(bundle or self.bundle()))
        (self.folder / "log.jsonl").write_text("\n".join(map(json.dumps, log or self.log())))
        key = str(self.signer.verifier)
        return verify_bundle.main([str(self.folder / "bundle.json"), "--key", key, *options])

    def asked_with_log(self, kept: Path, log: list[Document] | None = None) -> int:
        """As `asked`, by an auditor with an export and a checkpoint that was kept."""
        return self.asked("--log", str(self.folder / "log.jsonl"), "--checkpoint", str(kept), log=log)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """One whose log was signed when it had 30 leaves."""
    operator = Operator(tmp_path)
    operator.tell(operator.leaves[:30])
    return operator


def lines(capsys: pytest.CaptureFixture[str], beginning: str) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith(beginning)]


def test_an_honest_one_is_believed(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    kept = operator.keep()
    operator.tell()
    assert operator.asked_with_log(kept) == 0
    assert lines(capsys, "All of it holds: 5 events.")


def test_a_leaf_that_was_edited_and_signed_anew_is_found_by_the_head_from_before(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = operator.keep()
    operator.leaves[25] = operator.leaves[25].replace(b"Revoked", b"Granted")
    operator.tell()
    assert operator.asked() == 0  # the bundle alone cannot say
    assert operator.asked_with_log(kept) == 1
    [line] = lines(capsys, "FALSE  ")
    assert f"the first 30 leaves of {NAME}/0/0" in line


def test_leaves_that_were_cut_off_and_signed_anew_are_missed(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = operator.keep()
    del operator.leaves[20:]
    operator.tell()
    assert operator.asked_with_log(kept) == 1
    assert lines(capsys, "FALSE  ") == [f"FALSE  the log has 20 of 30 signed leaves of {NAME}/0/0"]


def test_leaves_after_the_newest_head_are_not_taken_for_the_log(operator: Operator) -> None:
    kept = operator.keep()
    operator.tell()
    log = operator.log()
    assert operator.asked_with_log(kept, [*log, log[-1]]) == 1
    assert operator.asked_with_log(kept, [*log, log[-1] | {"origin": f"{NAME}/0/7"}]) == 1


def test_a_partition_of_which_nothing_is_there_is_missed(operator: Operator) -> None:
    operator.tell(operator.leaves[:3], f"{NAME}/0/1")
    kept = operator.keep()
    operator.tell()
    assert operator.asked_with_log(kept) == 1


def test_heads_cannot_pass_for_leaves(operator: Operator) -> None:
    """They would count for the root of the log of heads, and nothing would be held against what they say."""
    kept = operator.keep()
    operator.leaves[25] = operator.leaves[25].replace(b"Revoked", b"Granted")
    operator.tell()
    note, hidden, *rest = operator.log()
    as_leaf = {"origin": NAME, "leaf": b64encode(hidden["text"].encode()).decode()}
    assert operator.asked_with_log(kept, [note, as_leaf, *rest]) == 1
    assert operator.asked_with_log(kept, [note, rest[0], as_leaf, *rest[1:]]) == 1


def test_what_was_signed_before_a_move_is_said_not_to_be_checked(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of an operator who only says that the log was moved: who kept a checkpoint from before asks for `verify`."""
    kept = operator.keep()
    operator.leaves[25] = operator.leaves[25].replace(b"Revoked", b"Granted")
    operator.tell(origin=f"{NAME}/1/0")
    assert operator.asked_with_log(kept) == 0
    out = capsys.readouterr().out
    assert "All of it holds" not in out
    assert "What could be checked holds: 5 events." in out
    assert f"NOT CHECKED  30 leaves of {NAME}/0/0" in out
