"""Checks a bundle of a preference ledger on any machine: python3 verify_bundle.py BUNDLE --key VKEY [--log LOG]

A file of its own: it needs Python 3.11 and `cryptography`, and nothing else. docs/evidence.md says what it proves.

    signed checkpoint ──▶ root of the log of heads ──▶ head of a partition ──▶ leaf ──▶ event ──▶ words, name

Exit code 0: all holds (NOT CHECKED aside). 1: FALSE says what does not. 2: no bundle. 4: a --checkpoint NOT CHECKED.
"""

import argparse
import hashlib
import json
import re
import sys
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class FalseError(Exception):
    """Something does not hold."""


class Head(NamedTuple):
    """What a checkpoint says of a tree: whose it is, how many leaves it has, and its root."""

    origin: str
    size: int
    root: bytes


def key_of(vkey: str) -> tuple[str, bytes]:
    """Name and Ed25519 public key of a verifier key `name+id+base64`."""
    name, key_id, encoded = (*vkey.strip().split("+", 2), "", "")[:3]
    typed = b64decode(encoded, validate=True)
    if len(typed) != 33 or typed[0] != 1 or hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8] != key_id:
        raise FalseError(f"{vkey!r} is no Ed25519 verifier key")
    return name, typed[1:]


def opened(note: str, name: str, key: bytes) -> Head:
    """The head that a signed note (c2sp.org/signed-note) says, if this key has signed it under this name."""
    origin = note.partition("\n")[0]
    if origin != name:  # the one key signs checkpoints of partitions as well
        raise FalseError(f"it is a checkpoint of {origin!r}, not of {name!r}")
    text, _, signatures = note.rpartition("\n\n")
    for raw in map(b64decode, re.findall(f"(?m)^— {re.escape(name)} (.+)$", signatures)):
        if raw[:4] == hashlib.sha256(name.encode() + b"\n\x01" + key).digest()[:4]:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(raw[4:], text.encode() + b"\n")
            except InvalidSignature:
                raise FalseError("the signature on the checkpoint is false") from None
            return head_of(text)
    raise FalseError(f"the checkpoint is not signed by {name!r} with the key that was given")


def head_of(text: str) -> Head:
    """Origin, size and root, a line each."""
    origin, size, root = text.split("\n")[:3]
    return Head(origin, int(size), b64decode(root, validate=True))


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf (RFC 9162, 2.1)."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_above(hashed: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root of a tree of that size in which a leaf is number `index`, if its proof is true."""
    if not 0 <= index < size or any(len(one) != 32 for one in proof) or (size == 1) != (not proof):
        raise FalseError("a proof is not of the form that a leaf of that number has")
    if size == 1:
        return hashed
    left = 1 << (size - 1).bit_length() - 1  # how many leaves are in the left part
    if index < left:
        return node_hash(root_above(hashed, index, left, proof[:-1]), proof[-1])
    return node_hash(proof[-1], root_above(hashed, index - left, size - left, proof[:-1]))


def is_included(hashed: bytes, index: int, head: Head, proof: list[str]) -> bool:
    """Whether a leaf is number `index` under a head."""
    try:
        return root_above(hashed, index, head.size, [b64decode(one) for one in proof]) == head.root
    except FalseError:
        return False


class Tree:
    """A tree that grows: the roots of the complete subtrees that it is made of. Its first head is number `first`."""

    def __init__(self, era: int = 0, first: int = 0) -> None:
        self.era, self.first, self.size = era, first, 0
        self.peaks: list[bytes] = []
        self.signed: dict[int, set[bytes]] = {}  # of the sizes that it has not reached yet, the roots that were signed
        self.covered = 0  # how many of its leaves the bundle's checkpoint covers

    def expect(self, head: Head) -> None:
        """Old heads count as the newest does: who changes a leaf can sign a new one, but not take the old ones back."""
        self.signed.setdefault(head.size, set()).add(head.root)

    def add(self, leaf: bytes) -> bool:
        """Adds a leaf. Whether the tree is now what was signed of it at that size, if anything was."""
        hashed, over, self.size = leaf_hash(leaf), self.size, self.size + 1
        while over & 1:
            hashed, over = node_hash(self.peaks.pop(), hashed), over >> 1
        self.peaks.append(hashed)
        if self.size not in self.signed:
            return True
        return self.signed.pop(self.size) == {reduce(lambda right, left: node_hash(left, right), reversed(self.peaks))}


def read_leaf(leaf: bytes) -> tuple[int, str, dict[str, Any]]:
    """`uint64(recorded_at in ms) ‖ uint16(length of key) ‖ key ‖ value`, big-endian: when, of whom, and the event."""
    at, end = int.from_bytes(leaf[:8], "big"), 10 + int.from_bytes(leaf[8:10], "big")
    key = leaf[10:end].decode("utf-8", "replace")
    try:
        event = json.loads(leaf[end:])
    except ValueError:
        event = None
    return at, key, event if isinstance(event, dict) else {"subject": key, "type": "Unreadable"}


class Bundle:
    """A bundle, checked as far as it goes by itself. `wrong` does not hold; against `unheld` no leaf could be held."""

    def __init__(self, document: dict[str, Any], vkey: str | None) -> None:
        if document.get("format") != "prefledger-bundle@1":
            raise ValueError("this is no bundle of format prefledger-bundle@1")
        self.document = document
        self.wrong, self.unchecked, self.unheld = list[str](), list[str](), list[Head]()
        self.entries: dict[tuple[str, int], tuple[int, dict[str, Any]]] = {}  # by partition and number
        self.events: dict[Any, dict[str, Any]] = {}  # by their id
        self.name, self.key = key_of(vkey or document["key"])
        self.checkpoint = opened(document["checkpoint"], self.name, self.key)
        self._entries()
        self._shown()

    def _entries(self) -> None:
        """Every event is in its partition, whose head is in the log of heads, whose root is signed."""
        heads, refs = {}, {said["ref"] for said in self.document["subjects"]}
        for said in self.document["heads"]:
            if is_included(leaf_hash(said["text"].encode()), said["index"], self.checkpoint, said["proof"]):
                heads[said["index"]] = head_of(said["text"])
            else:
                self.wrong.append(f"head {said['index']!r} is not in the signed checkpoint")
        for said in self.document["entries"]:
            leaf, head = b64decode(said["leaf"]), heads.get(said["head"])
            if head is None or not is_included(leaf_hash(leaf), said["index"], head, said["proof"]):
                self.wrong.append(f"the entry {said['index']!r} under head {said['head']!r} is not in the log")
                continue
            at, key, event = read_leaf(leaf)
            if event.get("subject") != key or not (key in refs or key.startswith("operator:")):
                self.wrong.append(f"the entry {said['index']!r} is of {key!r}, who has no place here")
            if event.get("type") == "ContactLinked" and event.get("account") not in refs:
                self.wrong.append(f"what is on record of the account {event.get('account')!r} is not here")
            self.entries[head.origin, said["index"]] = at, event
            if self.events.setdefault(event.get("event_id", leaf), event) != event:
                self.wrong.append(f"two events have the id {event['event_id']!r}")

    def _shown(self) -> None:
        """Who is shown as the person behind a reference is; words are those that the event committed to."""
        for said in self.document["subjects"]:
            k, named = bytes.fromhex(said.get("k", "")), f"{said.get('kind')}:{said.get('id')}"
            proven = len(k) == 32 and hashlib.sha256(k + named.encode()).hexdigest()[:32] == said["ref"]
            if not re.fullmatch("[0-9a-f]{32}", said["ref"]) or ("k" in said and not proven):
                self.wrong.append(f"{said['ref']!r} is no reference, or not that of {named!r}")
        for said in self.document["evidence"]:
            committed = (self.events.get(said["event_id"], {}).get("evidence") or {}).get("commitment")
            salt = bytes.fromhex(said["salt"])  # 16 bytes, or letters could move from the words into it; so with `k`
            if len(salt) != 16 or hashlib.sha256(salt + said["text"].encode()).hexdigest() != committed:
                self.wrong.append(f"the words of {said['event_id']!r} are not those that were recorded with it")

    def told(self) -> Iterator[str]:
        """The bundle in words."""
        yield f"checkpoint of {self.checkpoint.size} heads, {self.name!r}"
        for said in self.document["subjects"]:
            who = repr(f"{said['kind']}:{said['id']}") if "k" in said else "not shown: erased, or never known"
            yield f"{said['ref']!r} is {who}"
        words = {said["event_id"]: said["text"] for said in self.document["evidence"]}
        for _, (at, event) in sorted(self.entries.items(), key=lambda one: (one[1][0], one[0])):
            yield f"{datetime.fromtimestamp(at / 1000, UTC).isoformat()}  {event.get('type')!r} {json.dumps(event)}"
            if event.get("evidence"):
                yield f"    in these words: {words.get(event.get('event_id'), 'not shown: erased, or withheld')!r}"


class Comparison:
    """An export of the log, read line by line: whether it is the log that was signed, and what of it is missing."""

    def __init__(self, bundle: Bundle, kept: list[Head]) -> None:
        self.bundle, self.kept = bundle, kept
        self.refs = {said["ref"] for said in bundle.document["subjects"]}
        self.heads, self.partitions = Tree(), dict[str, Tree]()
        for head in (bundle.checkpoint, *kept):
            self.heads.expect(head)

    def read(self, log: Path) -> None:
        """Reads all of it: a line with the checkpoint that it reaches to, then the heads, then the leaves."""
        with log.open("rb") as file:
            self.heads.expect(opened(json.loads(file.readline())["checkpoint"], self.bundle.name, self.bundle.key))
            for said in map(json.loads, file):
                if "text" in said:
                    self.head(said["text"])
                else:
                    self.leaf(said["origin"], b64decode(said["leaf"]))
        self.end()

    def head(self, text: str) -> None:
        """The next head; all of them come before the first leaf, so that what the bundle covers is known by then."""
        if any(tree.size for tree in self.partitions.values()):
            raise FalseError("the log has a head after its first leaf")
        head = head_of(text)
        ledger, era, _partition = head.origin.rsplit("/", 2)
        if ledger != self.bundle.name:
            raise FalseError(f"a head is of {head.origin!r}, no partition of {self.bundle.name!r}")
        tree = self.partitions.setdefault(head.origin, Tree(int(era), self.heads.size))
        tree.expect(head)
        self.grow(self.bundle.name, self.heads, text.encode())
        if self.heads.size <= self.bundle.checkpoint.size:
            tree.covered = max(head.size, tree.covered)

    def leaf(self, origin: str, leaf: bytes) -> None:
        """The next leaf of a partition."""
        tree = self.partitions.get(origin, Tree())
        key = leaf[10 : 10 + int.from_bytes(leaf[8:10], "big")].decode("utf-8", "replace")
        if key in self.refs and tree.size < tree.covered and (origin, tree.size) not in self.bundle.entries:
            self.bundle.wrong.append(f"an event was left out: leaf {tree.size} of {origin!r}")
        self.grow(origin, tree, leaf)

    def grow(self, origin: str, tree: Tree, leaf: bytes) -> None:
        """Adds a leaf to a tree; there is none after the last that was signed."""
        if not tree.signed:
            raise FalseError(f"leaf {tree.size} of {origin!r} is in nothing that was signed")
        if not tree.add(leaf):
            self.bundle.wrong.append(f"the first {tree.size} leaves of {origin!r} are not what was signed of them")

    def end(self) -> None:
        """Whether all of it was there. From before a move it is not: no export says where its leaves stood then."""
        era = max((tree.era for tree in self.partitions.values()), default=0)
        moved = min((tree.first for tree in self.partitions.values() if tree.era == era), default=0)
        self.bundle.unheld += [head for head in self.kept if head.size <= moved]
        self.bundle.unchecked += [f"the checkpoint of {head.size} heads that you kept" for head in self.bundle.unheld]
        for origin, tree in ((self.bundle.name, self.heads), *self.partitions.items()):
            if tree.signed and tree.era < era and tree is not self.heads:
                self.bundle.unchecked.append(f"{max(tree.signed)} leaves of {origin!r}, signed before a move")
            elif tree.signed:
                self.bundle.wrong.append(f"the log has {tree.size} of {max(tree.signed)} signed leaves of {origin!r}")
        if era > max((tree.era for tree in self.partitions.values() if tree.covered), default=0):
            self.bundle.wrong.append("the log was moved since: take an export from before, or ask for a new bundle")


def checked(path: Path, vkey: str | None, log: Path | None, kept: list[Path]) -> Bundle:
    """The bundle in a file, checked, with the log and checkpoints that somebody kept. Raises whatever stops it."""
    bundle = Bundle(json.loads(path.read_bytes()), vkey)
    heads = [opened(one.read_text("utf-8"), bundle.name, bundle.key) for one in kept]
    if log:
        Comparison(bundle, heads).read(log)
    elif heads:
        raise ValueError("a checkpoint that was kept is looked for in the log: give --log as well")
    return bundle


def main(arguments: list[str] | None = None) -> int:
    """Checks what the command line names and says what it found."""
    parser = argparse.ArgumentParser(description="Checks a bundle of a preference ledger.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", help="the operator's verifier key; without it the bundle's own is taken")
    parser.add_argument("--log", type=Path, help="an export of the log, to see whether something was left out")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="one that you kept (with --log)")
    asked = parser.parse_args(arguments)
    try:
        bundle = checked(asked.bundle, asked.key, asked.log, asked.checkpoint)
    except FalseError as error:
        print(f"FALSE  {error}")
        return 1
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as error:
        print(f"{asked.bundle} cannot be read as a bundle: {error!r}", file=sys.stderr)
        return 2
    said = [f"NOT CHECKED  {line}" for line in bundle.unchecked] + [f"FALSE  {line}" for line in bundle.wrong]
    print(*bundle.told(), *said, sep="\n")
    print("" if asked.key else f"The key is the bundle's own; is it the operator's? {bundle.document['key']!r}")
    print("" if asked.log else "Whether something was left out is not checked: that takes the log (--log).")
    holds = "What could be checked holds" if bundle.unchecked else "All of it holds"
    print("FALSE" if bundle.wrong else f"{holds}: {len(bundle.entries)} events.")
    return 1 if bundle.wrong else 4 if bundle.unheld else 0


if __name__ == "__main__":
    sys.exit(main())
