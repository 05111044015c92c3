"""The operator holds the key and writes bundle and export, so that whatever they say is signed; they are found out."""

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.cli.main import run
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
    assert f"the first 30 leaves of '{NAME}/0/0'" in line


def test_leaves_that_were_cut_off_and_signed_anew_are_missed(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = operator.keep()
    del operator.leaves[20:]
    operator.tell()
    assert operator.asked_with_log(kept) == 1
    assert lines(capsys, "FALSE  ") == [f"FALSE  the log has 20 of 30 signed leaves of '{NAME}/0/0'"]


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
    assert operator.asked_with_log(kept) == 4
    out = capsys.readouterr().out
    assert "All of it holds" not in out
    assert "What could be checked holds: 5 events." in out
    assert f"NOT CHECKED  30 leaves of '{NAME}/0/0'" in out
    assert "NOT CHECKED  the checkpoint of 1 heads that you kept" in out
    log, key = str(operator.folder / "log.jsonl"), str(operator.signer.verifier)
    bundle = str(operator.folder / "bundle.json")
    assert run(["verify-bundle", bundle, "--key", key, "--log", log, "--checkpoint", str(kept)]) == 4


def test_after_a_move_only_a_checkpoint_from_after_it_is_held_against_the_log(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is under no later head's mercy: what stood in the log when it was signed is in the log, moved or not."""
    before = operator.keep()
    operator.tell(operator.leaves[:40], origin=f"{NAME}/1/0")
    after = operator.keep()
    operator.tell(origin=f"{NAME}/1/0")
    log = ("--log", str(operator.folder / "log.jsonl"))
    assert operator.asked(*log) == 0  # nothing was demanded
    assert lines(capsys, "NOT CHECKED  ") == [f"NOT CHECKED  30 leaves of '{NAME}/0/0', signed before a move"]
    assert operator.asked_with_log(after) == 0
    assert len(lines(capsys, "NOT CHECKED  ")) == 1
    assert operator.asked(*log, "--checkpoint", str(after), "--checkpoint", str(before)) == 4
    assert len(lines(capsys, "NOT CHECKED  ")) == 2
    operator.leaves[25] = operator.leaves[25].replace(b"Revoked", b"Granted")
    operator.heads.pop()
    operator.tell(origin=f"{NAME}/1/0")
    assert operator.asked_with_log(after) == 1
    assert operator.asked(*log, "--checkpoint", str(before)) == 1  # what is false comes first


def test_an_account_cannot_be_shown_as_a_number(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name may hold a colon, so that the end of `k` could be taken for the kind."""
    account = "number:+14165550199"
    ref, k = REFERENCES.of("account", account), REFERENCES.proof("account", account)
    operator.tell()
    operator.subjects.append({"ref": ref, "kind": "account", "id": account, "k": k.hex()})
    assert operator.asked() == 0
    assert lines(capsys, f"'{ref}") == [f"'{ref}' is 'account:{account}'"]
    operator.subjects[1] |= {"kind": "number", "id": "+14165550199", "k": (k + b"account:").hex()}
    assert operator.asked() == 1
    assert lines(capsys, "FALSE  ")


@pytest.mark.parametrize("k", ["", "00"])
def test_a_name_with_a_proof_of_another_length_is_false(operator: Operator, k: str) -> None:
    operator.tell()
    operator.subjects[0]["k"] = k
    assert operator.asked() == 1


INVENTED = "All of it holds: 9 events."


@pytest.mark.parametrize("ref", [f"{'0' * 32}\n{INVENTED}", "0" * 31, f"{'0' * 32}\n", f"{'0' * 31}G"])
def test_a_reference_of_another_form_is_false(operator: Operator, capsys: pytest.CaptureFixture[str], ref: str) -> None:
    operator.tell()
    operator.subjects.append({"ref": ref})
    assert operator.asked() == 1
    assert not lines(capsys, "All")


def test_nothing_in_a_bundle_prints_lines_of_its_own(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever makes a bundle chooses a `k` and a name for somebody of whom there is nothing."""
    name = f"x\n{INVENTED}\x1b[2J\r"
    operator.subjects.append(
        {"ref": REFERENCES.of(name, name), "kind": name, "id": name, "k": REFERENCES.proof(name, name).hex()}
    )
    operator.leaves[45] = leaf_of(45, PERSON, type=name, note=name)
    operator.tell()
    assert operator.asked() == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("All")] == ["All of it holds: 5 events."]
    assert "\x1b" not in out
    bundle = operator.bundle()
    bundle["entries"].append(bundle["entries"][0] | {"head": name})
    bundle["evidence"].append({"event_id": name, "salt": "", "text": ""})
    bundle["subjects"][1]["k"] = bundle["subjects"][0]["k"]
    bundle["subjects"] += [{"ref": "0" * 32, "kind": name, "id": name, "k": "00" * 32}]
    assert operator.asked(bundle=bundle) == 1
    out = capsys.readouterr().out
    assert len([line for line in out.splitlines() if line.startswith("FALSE  ")]) == 4
    assert not [line for line in out.splitlines() if line.startswith("All")]
    assert "\x1b" not in out


def test_a_checkpoint_of_anything_else_is_not_taken_for_the_ledger_s(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one key signs heads of partitions as well; the name beside the signature is not what was signed."""
    kept = operator.keep()
    operator.tell()
    other = operator.note(f"{NAME}/0/0")
    says = f"FALSE  it is a checkpoint of '{NAME}/0/0', not of '{NAME}'"
    assert operator.asked(bundle=operator.bundle() | {"checkpoint": other.decode()}) == 1
    assert lines(capsys, "FALSE  ") == [says]
    log = operator.log()
    log[0]["checkpoint"] = other.decode()
    assert operator.asked_with_log(kept, log) == 1
    assert lines(capsys, "FALSE  ") == [says]
    kept.write_bytes(other)
    assert operator.asked_with_log(kept) == 1
    assert lines(capsys, "FALSE  ") == [says]


def test_heads_of_another_ledger_are_not_taken_for_this_one_s(operator: Operator) -> None:
    kept = operator.keep()
    operator.tell(origin="ledger.example/y/9/0")
    assert operator.asked_with_log(kept) == 1


def test_two_events_of_one_id_are_false(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    """Words are shown by the id of their event, and would stand below both."""
    salt, words = bytes(16), "Yes, please"
    evidence = {"commitment": sha256(salt + words.encode()).hexdigest()}
    operator.leaves[45] = leaf_of(45, PERSON, event_id="e35", evidence=evidence)
    operator.leaves[35] = leaf_of(35, PERSON, event_id="e35", evidence={"commitment": "00"})
    operator.evidence.append({"event_id": "e35", "salt": salt.hex(), "text": words})
    operator.tell()
    assert operator.asked() == 1
    assert "FALSE  two events have the id 'e35'" in lines(capsys, "FALSE  ")


def test_an_event_that_a_race_left_in_the_log_twice_is_shown_twice(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.leaves[45] = operator.leaves[35]
    operator.tell()
    assert operator.asked() == 0
    assert lines(capsys, "All of it holds: 5 events.")


def test_what_is_no_event_is_shown_with_the_others(operator: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    for place, value in ((5, b"no JSON"), (15, b"[]"), (25, json.dumps({"subject": PERSON}).encode())):
        operator.leaves[place] = operator.leaves[place][:42] + value
    operator.tell()
    assert operator.asked() == 0
    assert lines(capsys, "All of it holds: 5 events.")


def test_an_entry_is_shown_once_and_in_the_order_of_the_log(
    operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever makes the bundle chooses the order of its entries, and some were recorded in the same millisecond."""
    operator.leaves[45] = operator.leaves[35][:8] + operator.leaves[45][8:]
    operator.tell()
    bundle = operator.bundle()
    bundle["entries"] = [*reversed(bundle["entries"]), bundle["entries"][0]]
    assert operator.asked(bundle=bundle) == 0
    out = capsys.readouterr().out
    assert "All of it holds: 5 events." in out
    assert [out.index(f'"e{number}"') for number in (5, 15, 25, 35, 45)] == sorted(
        out.index(f'"e{number}"') for number in (5, 15, 25, 35, 45)
    )
