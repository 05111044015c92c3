"""A snapshot is used whole or not at all: cut off, damaged, mixed up, of another secret or version, it is refused."""

import hashlib
import os
from pathlib import Path
from random import Random

import orjson
import pytest

from consumers.replica import Replica, SnapshotError
from consumers.replica.snapshot import MAGIC, TAIL
from ledger.errors import LedgerError, UnavailableError
from tests.consumers.asking import NUMBER, OTHER, REFERENCES, Facts, digest

SECRET = REFERENCES.fingerprint


def facts() -> Facts:
    told = Facts()
    told.says("ContactLinked", "number", NUMBER, account="ACC-1")
    told.says("PreferenceRevoked", "number", NUMBER)
    told.says("PreferenceRevoked", "account", "ACC-1")
    for _ in range(3):
        told.says("PreferenceGranted", "number", OTHER)
    return told


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "replica"
    Replica.load(facts().view(), SECRET, bits=4).save(path)
    return path


def test_a_snapshot_knows_what_was_saved(snapshot: Path) -> None:
    opened, view = Replica.open(snapshot, SECRET), facts().view()
    loaded = Replica.load(view, SECRET)
    assert opened.watermark() == view.watermark()
    assert opened.reference.policies == loaded.reference.policies
    for contact in (NUMBER, OTHER):
        assert opened.contact(digest("number", contact)) == loaded.contact(digest("number", contact))
    assert opened.base.said.policy == "default@1"
    assert snapshot.stat().st_mode & 0o777 == 0o600


def test_the_callers_notes_come_back(snapshot: Path) -> None:
    replica = Replica.open(snapshot, SECRET)
    replica.notes["topics"] = {"by-number": "v1", "positions": [1, 2]}
    replica.save(snapshot)
    assert Replica.open(snapshot, SECRET).notes == {"topics": {"by-number": "v1", "positions": [1, 2]}}


def test_a_snapshot_that_was_cut_off_anywhere_is_refused(snapshot: Path) -> None:
    whole = snapshot.read_bytes()
    for length in {*range(0, len(whole), 97), *range(len(whole) - 300, len(whole))}:
        snapshot.write_bytes(whole[:length])
        with pytest.raises(SnapshotError):
            Replica.open(snapshot, SECRET)


def test_a_snapshot_with_any_byte_changed_is_refused(snapshot: Path) -> None:
    whole = snapshot.read_bytes()
    rng = Random(1)
    for place in {*rng.sample(range(len(whole)), 300), *range(len(whole) - TAIL - 20, len(whole)), *range(8)}:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        snapshot.write_bytes(damaged)
        with pytest.raises(SnapshotError):
            Replica.open(snapshot, SECRET)


@pytest.mark.parametrize("mixed", [lambda whole: whole + b"\0", lambda whole: whole[1:], lambda whole: whole + whole])
def test_a_snapshot_with_bytes_too_many_or_too_few_is_refused(snapshot: Path, mixed: object) -> None:
    snapshot.write_bytes(mixed(snapshot.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SnapshotError):
        Replica.open(snapshot, SECRET)


@pytest.mark.parametrize("foreign", [b"", b"x", b"SQLite format 3\0" * 100, os.urandom(1000), MAGIC, MAGIC * 20])
def test_what_is_no_snapshot_is_refused(tmp_path: Path, foreign: bytes) -> None:
    (tmp_path / "replica").write_bytes(foreign)
    with pytest.raises(SnapshotError, match="replica"):
        Replica.open(tmp_path / "replica", SECRET)


def test_a_snapshot_of_another_secret_is_refused(snapshot: Path) -> None:
    with pytest.raises(SnapshotError, match="secret"):
        Replica.open(snapshot, "0" * 32)


@pytest.mark.parametrize("field", [{"format": 99}, {"byteorder": "middle"}])
def test_a_snapshot_of_another_version_or_machine_is_refused(snapshot: Path, field: dict[str, object]) -> None:
    whole = snapshot.read_bytes()
    end = len(whole) - TAIL
    start = end - int.from_bytes(whole[end + 32 : end + 40], "little")
    footer = orjson.dumps(orjson.loads(whole[start:end]) | field)
    tail = hashlib.sha256(footer).digest() + len(footer).to_bytes(8, "little") + MAGIC
    snapshot.write_bytes(whole[:start] + footer + tail)
    with pytest.raises(SnapshotError, match="version"):
        Replica.open(snapshot, SECRET)


def test_every_refusal_is_an_error_of_the_ledger_and_the_caller_can_load_again(snapshot: Path) -> None:
    snapshot.write_bytes(b"damaged")
    with pytest.raises(LedgerError):
        Replica.open(snapshot, SECRET)
    Replica.load(facts().view(), SECRET, bits=4).save(snapshot)
    assert Replica.open(snapshot, SECRET).contact(digest("number", NUMBER)).said


def test_none_is_not_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Replica.open(tmp_path / "replica", SECRET)


def test_a_snapshot_that_cannot_be_written_leaves_the_old_one(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot.read_bytes()

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    replica = Replica.open(snapshot, SECRET)
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(UnavailableError, match="cannot be written"):
        replica.save(snapshot)
    assert snapshot.read_bytes() == before
    assert list(snapshot.parent.iterdir()) == [snapshot]
    assert replica.contact(digest("number", NUMBER)).said


def test_whoever_has_the_old_snapshot_open_goes_on_with_it(snapshot: Path) -> None:
    old = Replica.open(snapshot, SECRET)
    new = Replica.open(snapshot, SECRET)
    told = facts()
    told.says("PreferenceRevoked", "number", OTHER)
    view = told.view()
    new.apply(view.parts(REFERENCES.of("number", OTHER)), view.watermark())
    new.merge()
    assert len(old.contact(digest("number", OTHER)).said) == 3
    assert len(Replica.open(snapshot, SECRET).contact(digest("number", OTHER)).said) == 4
