"""Somebody with the file, a public key and one small script can check a bundle, and finds whatever was changed."""

import json
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.bootstrap.proofs import signing_key
from consumers.proofs import verify_bundle
from consumers.settings import load
from ledger.checkpoint import Head
from ledger.leaves import leaf
from ledger.log import Position, Recorded
from ledger.merkle import leaf_hash, node_hash
from ledger.notes import Signer
from tests.consumers.commands import Commands
from tests.consumers.outsiders import Outsider, refusal

SCRIPT = Path(verify_bundle.__file__)
NUMBER, SISTER, OTHER = "+14165550123", "+14165550124", "+14165550199"
Document = dict[str, Any]


@pytest.fixture
def handed(commands: Commands) -> Commands:
    """A bundle of a number that is in an account, and an export of the log, beside events of others."""
    folder = commands.home.parent
    commands.json("procedure", "publish", "opt-out@1")
    assert commands("link", "ACC-7", NUMBER, SISTER).code == 0
    for number in range(20):
        commands.json("revoke", f"+141655502{number:02d}")
    commands.json("revoke", NUMBER, "--evidence", "STOP, and I mean it", "--actor", "person")
    commands.json("revoke", "account:ACC-7", "--actor", "agent:ada", "--procedure", "opt-out@1")
    commands.json("checkpoint", "--out", str(folder / "kept"))
    commands.json("revoke", OTHER)
    commands.json("bundle", NUMBER, str(folder / "bundle.json"))
    assert commands("verify", "--export", str(folder / "log.jsonl")).code == 0
    return commands


def bundle_of(commands: Commands) -> Document:
    document: Document = json.loads((commands.home.parent / "bundle.json").read_bytes())
    return document


def verdict(commands: Commands, document: Document | None = None, *options: str) -> tuple[int, list[str]]:
    """The exit code, and what is false."""
    if document is not None:
        (commands.home.parent / "bundle.json").write_text(json.dumps(document))
    answer = commands("verify-bundle", str(commands.home.parent / "bundle.json"), *options, "--json")
    return answer.code, answer.document["wrong"] if answer.out else [answer.err]


def log_of(commands: Commands) -> tuple[str, str]:
    return "--log", str(commands.home.parent / "log.jsonl")


def test_a_bundle_holds_with_the_log_and_the_checkpoint_that_was_kept(handed: Commands) -> None:
    document = bundle_of(handed)
    options = ("--key", document["key"], *log_of(handed), "--checkpoint", str(handed.home.parent / "kept"))
    assert verdict(handed, None, *options) == (0, [])
    events = [json.loads(b64decode(entry["leaf"])[42:]) for entry in document["entries"] if entry["index"] > 2]
    assert {event["type"] for event in events} >= {"ContactLinked", "PreferenceRevoked"}
    assert [subject["id"] for subject in document["subjects"]] == [NUMBER, "ACC-7"]
    assert [words["text"] for words in document["evidence"]] == ["STOP, and I mean it"]


def test_the_same_ledger_gives_the_same_bytes_readable_by_its_owner_only(handed: Commands) -> None:
    again = handed.home.parent / "again.json"
    handed.json("bundle", NUMBER, str(again))
    assert again.read_bytes() == (handed.home.parent / "bundle.json").read_bytes()
    assert again.stat().st_mode & 0o777 == 0o600
    assert handed("bundle", NUMBER, str(again)).code == 2


def test_making_one_leaves_a_record_that_somebody_looked(handed: Commands) -> None:
    from consumers.bootstrap import open_ledger
    from consumers.settings import load

    with open_ledger(load()) as ledger:
        looks = [(by, what) for _at, _ref, by, what in ledger.people.looks()]
    assert looks == [("system:cli", "bundle")] * 2


def test_one_from_before_an_erasure_still_holds_and_one_from_after_it_names_nobody(handed: Commands) -> None:
    handed.json("erase", NUMBER, "--yes")
    assert verdict(handed) == (0, [])
    after = handed.home.parent / "after.json"
    handed.json("bundle", NUMBER, str(after))
    assert handed.json("verify-bundle", str(after))["holds"]
    assert NUMBER not in after.read_text()
    assert "STOP" not in after.read_text()
    assert handed.json("verify")["findings"] == []


def changed(value: str) -> str:
    raw = bytearray(b64decode(value))
    raw[len(raw) // 2] ^= 1
    return b64encode(raw).decode()


def own(document: Document) -> Document:
    """An entry that is not the operator's."""
    entry: Document = next(one for one in document["entries"] if b"Revoked" in b64decode(one["leaf"]))
    return entry


def _leaf(document: Document) -> None:
    own(document)["leaf"] = changed(own(document)["leaf"])


def _granted(document: Document) -> None:
    raw = b64decode(own(document)["leaf"]).replace(b"PreferenceRevoked", b"PreferenceGranted")
    own(document)["leaf"] = b64encode(raw).decode()


def _time(document: Document) -> None:
    raw = b64decode(own(document)["leaf"])
    own(document)["leaf"] = b64encode((int.from_bytes(raw[:8], "big") - 1).to_bytes(8, "big") + raw[8:]).decode()


def _invented(document: Document) -> None:
    entry = own(document)
    raw = leaf(Recorded(Position(0, 0), 1, document["subjects"][0]["ref"], b'{"subject":"x"}'))
    document["entries"].append(entry | {"leaf": b64encode(raw).decode()})


def _index(document: Document) -> None:
    own(document)["index"] += 1


def _proof(document: Document) -> None:
    own(document)["proof"][0] = changed(own(document)["proof"][0])


def _shorter(document: Document) -> None:
    own(document)["proof"].pop()


def _head(document: Document) -> None:
    document["heads"][0]["text"] = document["heads"][0]["text"].replace("/0/0", "/0/1")


def _head_proof(document: Document) -> None:
    document["heads"][0]["proof"] = [*document["heads"][0]["proof"][::-1], changed(document["entries"][0]["proof"][0])]


def _checkpoint(document: Document) -> None:
    document["checkpoint"] = document["checkpoint"].replace("\n2\n", "\n3\n")


def _signature(document: Document) -> None:
    note = document["checkpoint"]
    encoded = note.split()[-1]
    document["checkpoint"] = note.replace(encoded, changed(encoded))


def _name(document: Document) -> None:
    document["subjects"][0]["id"] = OTHER


def _k(document: Document) -> None:
    document["subjects"][0]["k"] = "00" * 32


def _ref(document: Document) -> None:
    document["subjects"][0]["ref"] = "f" * 32


def _word(document: Document) -> None:
    document["evidence"][0]["text"] = "STOP, if you please"


def _letters_moved_into_the_salt(document: Document) -> None:
    said = document["evidence"][0]
    said["salt"], said["text"] = said["salt"] + said["text"][:4].encode().hex(), said["text"][4:]


def _salt(document: Document) -> None:
    document["evidence"][0]["salt"] = "00" * 16


def _account(document: Document) -> None:
    gone = document["subjects"].pop()["ref"].encode()
    document["entries"] = [one for one in document["entries"] if b64decode(one["leaf"])[10:42] != gone]


def _words_of_another(document: Document) -> None:
    document["evidence"][0]["event_id"] = "019"


NOT_IN = "the entry {index} under head 1 is not in the log"
UNSIGNED = "the signature on the checkpoint is false"
NOT_SAID = "the words of {event!r} are not those that were recorded with it"
NOT_WHO = "{ref!r} is no reference, or not that of 'number:+14165550123'"
FALSE, NOT_RECORDED, NOT_THEIRS = (
    "a proof is false",
    "words are not those that were recorded",
    "a reference is not theirs",
)
FORGED: dict[Callable[[Document], None], tuple[str, str]] = {
    _leaf: (NOT_IN, FALSE),
    _granted: (NOT_IN, FALSE),
    _time: (NOT_IN, FALSE),
    _invented: (NOT_IN, FALSE),
    _index: ("the entry {next} under head 1 is not in the log", FALSE),
    _proof: (NOT_IN, FALSE),
    _shorter: (NOT_IN, "a proof is too short"),
    _head: ("head 1 is not in the signed checkpoint", FALSE),
    _head_proof: ("head 1 is not in the signed checkpoint", "a proof is too long"),
    _checkpoint: (UNSIGNED, "InvalidSignature"),
    _signature: (UNSIGNED, "InvalidSignature"),
    _name: (NOT_WHO.replace(NUMBER, OTHER), NOT_THEIRS),
    _k: (NOT_WHO, NOT_THEIRS),
    _ref: ("the entry {index} is of {ref!r}, who has no place here", "an event is of somebody else"),
    _account: ("what is on record of the account {account!r} is not here", "an account is missing"),
    _word: (NOT_SAID, NOT_RECORDED),
    _salt: (NOT_SAID, NOT_RECORDED),
    _words_of_another: (NOT_SAID.replace("{event!r}", "'019'"), NOT_RECORDED),
    _letters_moved_into_the_salt: (NOT_SAID, NOT_RECORDED),
}
"""What can be done to a bundle; what our script says of it, and what the few lines of the page say."""


@pytest.mark.parametrize("forge", FORGED)
def test_whatever_is_changed_in_a_bundle_is_named(handed: Commands, forge: Callable[[Document], None]) -> None:
    document = bundle_of(handed)
    index, (who, account), said = own(document)["index"], document["subjects"], document["evidence"][0]
    of = {"index": index, "next": index + 1, "ref": who["ref"], "account": account["ref"], "event": said["event_id"]}
    forge(document)
    code, wrong = verdict(handed, document, "--key", bundle_of(handed)["key"])
    assert code == 1, wrong
    assert FORGED[forge][0].format(**of) in "\n".join(wrong)


def test_a_bundle_signed_by_somebody_else_is_false(handed: Commands) -> None:
    document = bundle_of(handed)
    name = document["key"].split("+")[0]
    mistyped = f"{name}+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    for none in (mistyped, "tlog/verifier-key", f"{name}+530d903a"):  # as somebody names the file that has it
        assert verdict(handed, None, "--key", none) == (1, [f"{none!r} is no Ed25519 verifier key"])
    other = str(Signer("ledger.example/x", Ed25519PrivateKey.generate()).verifier)
    assert verdict(handed, None, "--key", other) == (1, [f"it is a checkpoint of {name!r}, not of 'ledger.example/x'"])
    foreign = str(Signer(name, Ed25519PrivateKey.generate()).verifier)
    says = f"the checkpoint is not signed by {name!r} with the key that was given"
    assert verdict(handed, None, "--key", foreign) == (1, [says])


def test_an_event_that_was_left_out_is_found_in_the_log(handed: Commands) -> None:
    document = bundle_of(handed)
    document["entries"].remove(own(document))
    document["evidence"].clear()
    assert verdict(handed, document) == (0, [])
    code, wrong = verdict(handed, document, *log_of(handed))
    assert code == 1
    assert [line.partition(":")[0] for line in wrong] == ["an event was left out"]


def test_what_was_recorded_after_the_bundle_was_not_left_out(handed: Commands) -> None:
    handed.json("revoke", NUMBER, "--channel", "email")
    handed.json("checkpoint")
    later = handed.home.parent / "later.jsonl"
    assert handed("verify", "--export", str(later)).code == 0
    assert verdict(handed, None, "--log", str(later)) == (0, [])


@pytest.mark.parametrize("forge", ["drop", "edit", "relabel", "late head", "other head"])
def test_a_log_that_hides_something_is_not_taken_for_the_log(handed: Commands, forge: str) -> None:
    document = bundle_of(handed)
    hidden = own(document)["leaf"]
    document["entries"].remove(own(document))
    document["evidence"].clear()
    path = handed.home.parent / "log.jsonl"
    lines = path.read_text().splitlines()
    place = next(at for at, line in enumerate(lines) if hidden in line)
    match forge:
        case "drop":
            del lines[place]
        case "edit":
            lines[place] = lines[place].replace(hidden, changed(hidden))
        case "relabel":
            lines[place] = lines[place].replace("/0/0", "/0/1")
        case "late head":
            lines.append(lines.pop(1))
        case "other head":
            lines[1] = re.sub(r"\\n(\d+)\\n", r"\\n1\\n", lines[1])
    path.write_text("\n".join(lines) + "\n")
    code, wrong = verdict(handed, document, *log_of(handed))
    assert code == 1, wrong


def test_what_is_no_bundle_is_said_to_be_none(handed: Commands) -> None:
    for text in ("", "[]", "{}", '{"format": "prefledger-bundle@1"}', '{"format": "prefledger-bundle@1", "key": 3}'):
        (handed.home.parent / "bundle.json").write_text(text)
        assert handed("verify-bundle", str(handed.home.parent / "bundle.json")).code == 2, text


def test_the_script_works_where_there_is_nothing_of_this_project(handed: Commands, tmp_path: Path) -> None:
    outsider = Outsider(tmp_path)
    script = tmp_path / "verify_bundle.py"
    script.write_text(handed("verify-bundle", "--script").out)
    assert script.read_text() == SCRIPT.read_text()
    bundle = str(handed.home.parent / "bundle.json")
    done = outsider.python(str(script), bundle, "--key", bundle_of(handed)["key"], *log_of(handed))
    assert done.returncode == 0, done
    assert f"number:{NUMBER}" in done.stdout
    assert "'STOP, and I mean it'" in done.stdout
    document = bundle_of(handed)
    _granted(document)
    Path(bundle).write_text(json.dumps(document))
    assert outsider.python(str(script), bundle).returncode == 1
    Path(bundle).write_text("no bundle")
    assert outsider.python(str(script), bundle).returncode == 2


def test_the_steps_of_the_page_check_a_bundle_without_our_code(handed: Commands, tmp_path: Path) -> None:
    outsider, good, bundle = Outsider(tmp_path), bundle_of(handed), tmp_path / "case-77.json"

    def refused(document: Document, key: str = good["key"]) -> str | None:
        bundle.write_text(json.dumps(document))
        done = outsider.checks(bundle, key)
        return done.stderr.splitlines()[-1] if done.returncode else None

    assert refused(good) is None
    told = outsider.checks(bundle, good["key"]).stdout
    assert f"is number:{NUMBER}" in told
    assert "in these words: STOP, and I mean it" in told
    assert told.count(" ms: ") == len(good["entries"])
    name = good["key"].partition("+")[0]
    assert "InvalidSignature" in str(refused(good, str(Signer(name, Ed25519PrivateKey.generate()).verifier)))
    assert "of something else" in str(refused(good, str(Signer("other", Ed25519PrivateKey.generate()).verifier)))
    for forge, (_, says) in FORGED.items():
        document = bundle_of(handed)
        forge(document)
        assert says in str(refused(document)), forge
    handed.json("erase", NUMBER, "--yes")
    handed.json("bundle", NUMBER, str(tmp_path / "after.json"))
    done = outsider.checks(tmp_path / "after.json", good["key"])
    assert (done.returncode, "in these words" in done.stdout) == (0, False), done


@pytest.mark.parametrize("whose", ["account:ACC-7", "email:jean@example.org"])
def test_bundles_of_accounts_and_addresses_are_checked_as_those_of_numbers(
    handed: Commands, tmp_path: Path, whose: str
) -> None:
    handed.json("revoke", whose, "--evidence", "Plus de courriels", "--actor", "person")
    file, (kind, _, name) = tmp_path / "whose.json", whose.partition(":")
    handed.json("bundle", whose, str(file))
    assert handed("verify", "--export", str(tmp_path / "now.jsonl")).code == 0
    document = json.loads(file.read_bytes())
    [who] = document["subjects"]
    assert (who["kind"], who["id"]) == (kind, name)
    asked = (str(file), "--key", document["key"], "--log", str(tmp_path / "now.jsonl"))
    assert handed.json("verify-bundle", *asked)["complete"]
    outsider = Outsider(tmp_path)
    (tmp_path / "verify_bundle.py").write_text(handed("verify-bundle", "--script").out)
    for done in (outsider.python("verify_bundle.py", *asked), outsider.checks(file, document["key"])):
        assert done.returncode == 0, done
        assert whose in done.stdout
        assert "Plus de courriels" in done.stdout
    who["id"] += "x"
    file.write_text(json.dumps(document))
    assert outsider.python("verify_bundle.py", *asked).returncode == 1
    assert outsider.checks(file, document["key"]).returncode == 1


def test_the_steps_of_the_page_check_an_event_without_our_code(handed: Commands, tmp_path: Path) -> None:
    event_id = handed.json("revoke", OTHER, "--channel", "voice")["event_id"]
    proof = handed.json("prove", event_id)

    def refused(**forged: str) -> str | None:
        return refusal(tmp_path, proof | forged)

    assert refused() is None
    changed_leaf = b64decode(proof["leaf"]).replace(b"voice", b"email")
    assert refused(leaf=b64encode(changed_leaf).decode()) == "the proof is false"
    name = proof["key"].partition("+")[0]
    assert "openssl" in str(refused(key=f"{name}+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"))
    for forge, says in (
        (_first_head, "the proof is too long"),
        (_past_the_end, "the proof is of another form"),
        (_of_no_size, "the proof is of another form"),
        (_glued, "the proof is of another form"),
        (_of_another, "the checkpoint is of something else"),
    ):
        assert refused(**forge(proof, signer_of(name))) == says, forge


def signer_of(name: str) -> Signer:
    """The operator's own."""
    return Signer(name, signing_key(load().signing_key_file, is_new=False))


def _resigned(proof: Document, signer: Signer, head: Head, path: str, index: int = 0) -> dict[str, str]:
    """A proof whose second step leads to another checkpoint, which the operator has signed all the same."""
    return {"head_proof": f"c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{head.signed(signer).decode()}"}


def _first_head(proof: Document, signer: Signer) -> dict[str, str]:
    """A log of one head needs no path, so that hashes in one would be read by nobody."""
    head = Head(signer.verifier.name, 1, leaf_hash(proof["head"].encode()))
    return _resigned(proof, signer, head, f"{b64encode(bytes(32)).decode()}\n")


def _past_the_end(proof: Document, signer: Signer) -> dict[str, str]:
    return _resigned(proof, signer, Head(signer.verifier.name, 1, leaf_hash(proof["head"].encode())), "", index=1)


def _of_no_size(proof: Document, signer: Signer) -> dict[str, str]:
    return _resigned(proof, signer, Head(signer.verifier.name, 0, leaf_hash(proof["head"].encode())), "")


def _glued(proof: Document, signer: Signer) -> dict[str, str]:
    """A hash of another length."""
    root = node_hash(leaf_hash(proof["head"].encode()), bytes(64))
    return _resigned(proof, signer, Head(signer.verifier.name, 2, root), f"{b64encode(bytes(64)).decode()}\n")


def _of_another(proof: Document, signer: Signer) -> dict[str, str]:
    """The key signs the checkpoints of partitions as well, whose leaves are no heads."""
    head = Head(f"{signer.verifier.name}/0/0", 1, leaf_hash(proof["head"].encode()))
    return _resigned(proof, signer, head, "")


def test_the_script_is_small() -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 300
    assert sys.version_info >= (3, 11)
