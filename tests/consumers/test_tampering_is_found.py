"""Whatever is done to a log, its tiles or its checkpoints, `verify` finds it and says where."""

import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.bootstrap.proofs import open_to_verify, signing_key
from consumers.proofs.hashers import Hashers
from consumers.proofs.verify import Verification
from consumers.settings import Settings
from ledger.adapters.sqlite_log import SqliteLog
from ledger.checkpoint import Head, opened
from ledger.leaves import leaf
from ledger.log import Position, Recorded
from ledger.merkle import leaf_hash, root_of
from ledger.notes import Signer, Verifier
from ledger.tiles import WIDTH
from tests.consumers.commands import Answer, Commands

EVENTS = 300
"""More than a tile."""
Edit = Callable[[sqlite3.Connection], object]


@pytest.fixture
def audited(commands: Commands) -> Commands:
    """A ledger of some hundred events, of which an auditor kept a checkpoint in the middle and one at the end."""
    rows = "\n".join(f"+1416555{number:04d}" for number in range(EVENTS))
    kept = commands.home.parent
    (kept / "list.csv").write_text(f"number\n{rows}\n")
    commands.json("revoke", "+14165550999", "--evidence", "STOP it")
    commands.json("checkpoint", "--out", str(kept / "early"))
    commands.json("import", str(kept / "list.csv"), "--default", "action=revoke")
    commands.json("checkpoint", "--out", str(kept / "late"))
    assert not verified(commands)
    return commands


def verified(commands: Commands, *kept: str, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The findings; the exit code agrees with them."""
    files = [str(commands.home.parent / name) for name in kept or ("early", "late")]
    answer = commands("verify", *files, *options, "--json")
    found: list[dict[str, Any]] = answer.document["findings"]
    assert answer.code == (1 if found else 0), answer
    return found


def edited(commands: Commands, edit: Edit) -> None:
    """Changes the log past its triggers, as whoever has the file can."""
    with closing(sqlite3.connect(commands.home / "ledger.db")) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        edit(db)
        db.commit()


def folder(commands: Commands) -> Path:
    [found] = (commands.home / "tlog").iterdir()
    return found


def places(found: list[dict[str, Any]], code: str) -> list[str]:
    return [one["where"] for one in found if one["code"] == code]


@pytest.mark.parametrize(
    "change",
    [
        "value = replace(value, 'Revoked', 'Granted')",
        'value = CAST(replace(CAST(value AS TEXT), \'"channel":"*"\', \'"channel":"x"\') AS BLOB)',
        "value = CAST(value AS BLOB) || X'20'",
        "value = CAST(value AS TEXT)",
        "key = 'f' || substr(key, 2)",
        "key = CAST(X'FF' AS TEXT)",
        "recorded_at = recorded_at + 1",
        "recorded_at = -1",
        "recorded_at = 'then'",
    ],
)
def test_an_entry_that_was_changed_in_place_is_named(audited: Commands, change: str) -> None:
    edited(audited, lambda db: db.execute(f"UPDATE log SET {change} WHERE offset = 270"))
    found = verified(audited)
    assert "(0, 270)" in places(found, "entry")
    assert {"root"} <= {one["code"] for one in found} <= {"entry", "root", "time", "index"}


def test_every_other_entry_is_not_accused(audited: Commands) -> None:
    edited(audited, lambda db: db.execute("UPDATE log SET recorded_at = recorded_at WHERE offset = 5"))
    assert not verified(audited)
    edited(audited, lambda db: db.execute("UPDATE log SET key = 'x' WHERE offset IN (5, 6, 9)"))
    assert places(verified(audited), "entry") == ["(0, 5) to (0, 6)", "(0, 9)"]


@pytest.mark.parametrize(
    ("change", "hides", "places_of"),
    [
        ("DELETE FROM subject_index WHERE offset = 150", "questions about its subject", ["(0, 150)"]),
        ("UPDATE subject_index SET subject = X'00112233445566778899AABBCCDDEEFF' WHERE offset = 0", "questions", None),
        ("UPDATE subject_index SET offset = 151 WHERE offset = 150", "questions", ["(0, 150) to (0, 151)"]),
        ("DELETE FROM event_index WHERE offset IN (7, 8, 200)", "by its id", ["(0, 7) to (0, 8)", "(0, 200)"]),
        ("UPDATE event_index SET offset = 9 WHERE offset = 8", "by its id", ["(0, 8) to (0, 9)"]),
        ("DELETE FROM subject_index", "questions", ["(0, 0) to (0, 302)"]),
    ],
)
def test_an_index_that_hides_an_event_from_the_timeline_is_found(
    audited: Commands, change: str, hides: str, places_of: list[str] | None
) -> None:
    edited(audited, lambda db: db.execute(change))
    found = verified(audited)
    assert {one["code"] for one in found} == {"index"}
    assert all(hides in one["says"] for one in found)
    assert places(found, "index") == (places_of or ["(0, 0)"])


def test_an_entry_without_a_subject_is_found_where_it_is(audited: Commands) -> None:
    """The table forbids it, and a flipped bit does not ask the table."""
    with closing(sqlite3.connect(audited.home / "ledger.db")) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, 'key TEXT NOT NULL', 'key TEXT') WHERE name = 'log'")
        db.commit()
    edited(audited, lambda db: db.execute("UPDATE log SET key = NULL WHERE offset = 200"))
    found = verified(audited)
    assert "(0, 200)" in places(found, "entry")
    assert "(0, 200)" in places(found, "index")


def test_an_event_that_was_dropped_leaves_a_gap(audited: Commands) -> None:
    edited(audited, lambda db: db.execute("DELETE FROM log WHERE offset = 200"))
    assert places(verified(audited), "gap") == ["(0, 200)"]


def test_an_event_that_was_dropped_and_closed_up_is_found_where_it_was(audited: Commands) -> None:
    def close_up(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM log WHERE offset = 200")
        rows = db.execute("SELECT * FROM log WHERE offset > 200 ORDER BY offset").fetchall()
        db.execute("DELETE FROM log WHERE offset > 200")
        db.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", [(offset - 1, *rest) for offset, *rest in rows])

    edited(audited, close_up)
    found = verified(audited)
    assert places(found, "entry")[0].startswith("(0, 200)")
    assert places(found, "truncated")


def test_an_event_that_was_put_in_is_found_where_it_is(audited: Commands) -> None:
    def put_in(db: sqlite3.Connection) -> None:
        rows = db.execute("SELECT * FROM log WHERE offset >= 100 ORDER BY offset").fetchall()
        db.execute("DELETE FROM log WHERE offset >= 100")
        new = [rows[0], *((offset + 1, *rest) for offset, *rest in rows)]
        db.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", new)

    edited(audited, put_in)
    assert places(verified(audited), "entry")[0].startswith("(0, 101)")


def test_two_events_that_were_swapped_are_both_named(audited: Commands) -> None:
    def swap(db: sqlite3.Connection) -> None:
        one, two = db.execute("SELECT offset, key, value FROM log WHERE offset IN (40, 280) ORDER BY offset").fetchall()
        db.execute("UPDATE log SET key = ?, value = ? WHERE offset = 40", two[1:])
        db.execute("UPDATE log SET key = ?, value = ? WHERE offset = 280", one[1:])

    edited(audited, swap)
    assert places(verified(audited), "entry") == ["(0, 40)", "(0, 280)"]


def test_a_truncated_log_is_found(audited: Commands) -> None:
    edited(audited, lambda db: db.execute("DELETE FROM log WHERE offset >= 290"))
    assert places(verified(audited), "truncated") == ["(0, 290)"]


def test_an_offset_far_away_is_a_gap_and_no_endless_search(audited: Commands) -> None:
    edited(audited, lambda db: db.execute("UPDATE log SET offset = 1 << 62 WHERE offset = 302"))
    assert places(verified(audited), "gap") == ["(0, 302)"]


def test_what_was_recorded_after_the_checkpoint_is_no_finding_but_counted(audited: Commands) -> None:
    audited.json("revoke", "+14165550998")
    answer = audited.json("verify")
    assert answer["entries"] == answer["covered"] + 1


def test_hashes_that_were_fixed_up_with_the_entry_do_not_help(audited: Commands) -> None:
    edited(audited, lambda db: db.execute("UPDATE log SET value = value || X'20' WHERE offset = 20"))
    edited(audited, lambda db: db.execute("UPDATE log SET value = CAST(value AS BLOB) WHERE offset = 20"))
    with closing(sqlite3.connect(audited.home / "ledger.db")) as db:
        rows = db.execute("SELECT offset, recorded_at, key, value FROM log").fetchall()
    hashes = [leaf_hash(leaf(Recorded(Position(0, row[0]), *row[1:]))) for row in rows]
    (folder(audited) / "0/0/tile/0/000").write_bytes(b"".join(hashes[:256]))
    (folder(audited) / "0/0/tile/1/000.p/1").write_bytes(root_of(hashes[:256]))
    found = verified(audited)
    assert {one["code"] for one in found} == {"root"}
    assert places(found, "root")[0] == "(0, 3) to (0, 302)"


def test_even_the_operator_with_his_key_cannot_pass_a_changed_log_off_to_who_kept_a_checkpoint(
    audited: Commands,
) -> None:
    edited(audited, lambda db: db.execute("UPDATE log SET value = replace(value, 'Revoked', 'Granted')"))
    edited(audited, lambda db: db.execute("UPDATE log SET value = CAST(value AS BLOB)"))
    shutil.rmtree(audited.home / "tlog")
    audited.json("checkpoint")
    assert audited.json("verify")["findings"] == []
    kept = audited.home.parent
    [late], [early] = verified(audited, "late"), verified(audited, "early")
    assert (late["code"], late["where"]) == ("truncated", str(kept / "late"))
    assert late["says"] == "it has 2 heads, and here there are only 1: this log is older than the checkpoint"
    assert (early["code"], early["where"]) == ("split view", str(kept / "early"))
    assert early["says"].startswith("two checkpoints of 1 heads with two roots were signed")


def test_an_older_log_under_a_newer_checkpoint_is_found(audited: Commands) -> None:
    old = audited.home.with_name("old")
    shutil.copytree(audited.home, old)
    audited.json("revoke", "+14165550998")
    audited.json("checkpoint", "--out", str(audited.home.parent / "newer"))
    shutil.copy(old / "ledger.db", audited.home / "ledger.db")
    assert places(verified(audited), "truncated") == ["(0, 303)"]
    shutil.rmtree(audited.home)
    shutil.move(old, audited.home)
    assert not verified(audited)
    assert [one["code"] for one in verified(audited, "newer")] == ["truncated"]


def signer_of(commands: Commands) -> Signer:
    head = opened((folder(commands) / "checkpoint").read_bytes(), own_key(commands))
    return Signer(head.origin, signing_key(commands.home / "signing-key", is_new=False))


def own_key(commands: Commands) -> Verifier:
    return Verifier.of((folder(commands) / "verifier-key").read_text())


def test_two_checkpoints_of_one_size_are_a_split_view(audited: Commands) -> None:
    signer = signer_of(audited)
    (audited.home.parent / "other").write_bytes(Head(signer.verifier.name, 2, root_of([b"x" * 32])).signed(signer))
    assert [one["code"] for one in verified(audited, "other")] == ["split view"]


@pytest.mark.parametrize(("size", "where"), [(0, "head 0 to head 0"), (1, "head 0 to head 0"), (3, ""), (10**9, "")])
def test_a_checkpoint_of_a_wrong_size_or_root_is_found(audited: Commands, size: int, where: str) -> None:
    signer, other = signer_of(audited), audited.home.parent / "other"
    other.write_bytes(Head(signer.verifier.name, size, root_of([b"x" * 32])).signed(signer))
    [found] = verified(audited, "other")
    assert (found["code"], found["where"]) == ("root" if where else "truncated", where or str(other))
    says = f"{other} has another root" if where else f"it has {size} heads, and here there are only 2:"
    assert says in found["says"]


def test_a_checkpoint_of_another_origin_or_key_is_refused(audited: Commands) -> None:
    signer, kept = signer_of(audited), audited.home.parent
    head = opened((kept / "late").read_bytes(), own_key(audited))
    (kept / "origin").write_bytes(head._replace(origin="somebody/else").signed(signer))
    (kept / "key").write_bytes(head.signed(Signer(head.origin, Ed25519PrivateKey.generate())))
    (kept / "none").write_bytes(b"\xff\n")
    assert [one["code"] for one in verified(audited, "origin", "key", "none")] == ["origin", "checkpoint", "checkpoint"]


def test_a_partition_s_own_checkpoint_may_be_kept_as_well(audited: Commands) -> None:
    signer, kept = signer_of(audited), audited.home.parent
    own = (folder(audited) / "0/0/checkpoint").read_bytes()
    (kept / "own").write_bytes(own)
    assert not verified(audited, "own")
    head = opened(own, own_key(audited))
    (kept / "own").write_bytes(head._replace(size=head.size - 1).signed(signer))
    assert [one["code"] for one in verified(audited, "own")] == ["root"]


def test_the_checkpoint_of_a_partition_with_a_wrong_key_origin_size_or_root_is_named(audited: Commands) -> None:
    """It is in every proof, so that whoever changes it makes proofs false, or shows somebody another tree."""
    signer, path = signer_of(audited), folder(audited) / "0/0/checkpoint"
    good = path.read_bytes()
    head = opened(good, own_key(audited))
    stranger = Signer(head.origin, Ed25519PrivateKey.generate())

    def found(note: bytes | None) -> list[str]:
        path.unlink(missing_ok=True)
        if note is not None:
            path.write_bytes(note)
        wrong = verified(audited)
        assert {(one["code"], one["where"]) for one in wrong} == {("checkpoint", "0/0/checkpoint")}
        return [one["says"] for one in wrong]

    says = f"the note is not signed by {head.origin} with the key {own_key(audited).named(head.origin).key_id.hex()}"
    assert found(head.signed(stranger)) == [says]
    other = head._replace(origin=f"{own_key(audited).name}/0/1")
    assert found(other.signed(signer)) == [f"it is a checkpoint of {other.origin!r}, not of {head.origin!r}"]
    is_told = f"head 1 303 leaves and the root {head.root.hex()}"
    for size, root in ((302, head.root), (304, head.root), (303, bytes(32))):
        forged = head._replace(size=size, root=root)
        assert found(forged.signed(signer)) == [f"it has {size} leaves and the root {root.hex()}; {is_told}"]
    assert found(None) == [f"it is missing; {is_told}"]
    path.write_bytes(b"x")
    audited.json("checkpoint")
    assert path.read_bytes() == good, "who makes checkpoints mends it"


def test_no_proof_begins_with_the_checkpoint_that_a_crash_left_behind(audited: Commands) -> None:
    path, behind = folder(audited) / "0/0/checkpoint", (folder(audited) / "0/0/checkpoint").read_bytes()
    event_id = audited.json("revoke", "+14165550998")["event_id"]
    audited.json("checkpoint")
    newest = path.read_bytes()
    path.write_bytes(behind)
    assert not verified(audited), "a crash is no tampering"
    assert audited.json("prove", event_id)["proof"].endswith("\n\n" + newest.decode())
    assert path.read_bytes() == newest


def test_a_key_that_is_given_counts_and_not_the_one_that_lies_beside_the_log(audited: Commands) -> None:
    good = str(own_key(audited))
    assert not verified(audited, options=("--key", good))
    other = Signer(own_key(audited).name, Ed25519PrivateKey.generate())
    assert verified(audited, options=("--key", str(other.verifier)))


def test_whoever_verifies_needs_neither_secret_nor_people_nor_the_signing_key(audited: Commands) -> None:
    for name in ("secret", "people.db", "signing-key"):
        (audited.home / name).unlink()
    assert not verified(audited)


def files(commands: Commands) -> Iterator[Path]:
    return (path for path in sorted(folder(commands).rglob("*")) if path.is_file() and path.stat().st_size)


DAMAGES = (
    "UPDATE log SET key = 'x' WHERE offset IN (5, 299)",
    "UPDATE log SET value = CAST(value AS TEXT) WHERE offset = 70",
    "UPDATE log SET recorded_at = 1 WHERE offset = 128",
    "UPDATE log SET recorded_at = recorded_at + 1000000000 WHERE offset = 127",
    "UPDATE log SET key = CAST(X'FF' AS TEXT) WHERE offset = 200",
    "UPDATE log SET offset = -5 WHERE offset = 0",
    "UPDATE log SET offset = 1 << 62 WHERE offset = 302",
    "DELETE FROM log WHERE offset = 256",
    "DELETE FROM log WHERE offset >= 290",
    "DELETE FROM subject_index WHERE offset = 100",
)


@pytest.mark.parametrize("damage", [None, *DAMAGES])
def test_two_processes_find_what_one_finds(audited: Commands, damage: str | None) -> None:
    edited(audited, lambda db: damage and db.execute(damage))
    file, reports = audited.home / "ledger.db", []
    for processes in (0, 2):
        hashers = Hashers(partial(SqliteLog, file), processes, large=0, size=WIDTH)
        with open_to_verify(Settings(home=audited.home), None) as checkpoints:
            reports.append(Verification(checkpoints, hashers).run({}))
    assert reports[0] == reports[1]
    assert bool(reports[0].findings) == (damage is not None)


def test_any_byte_of_the_tiles_and_checkpoints_that_are_in_force_is_watched(audited: Commands) -> None:
    passed = set()
    for path in files(audited):
        good = path.read_bytes()
        for place in {0, len(good) // 2, len(good) - 1}:
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            if not verified(audited, "early", "late"):
                passed.add(str(path.relative_to(folder(audited))))
        path.write_bytes(good)
    # Of sizes before the newest; a lock; and the key, by which only somebody without the signing key goes.
    assert passed <= {"checkpoint.lock", "verifier-key", "tile/0/000.p/1", "tile/entries/000.p/1", "0/0/tile/0/000.p/3"}
    assert not verified(audited)


def test_a_byte_flipped_anywhere_in_the_pages_of_the_log_is_found_where_it_is(audited: Commands) -> None:
    file, chance = audited.home / "ledger.db", random.Random(7)
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = db.execute("PRAGMA page_size").fetchone()[0]
        used = [(page, unused) for page, unused in db.execute(
            "SELECT pageno, unused FROM dbstat WHERE name = 'log'").fetchall()]  # fmt: skip
    good, rows = file.read_bytes(), rows_of(file)
    assert rows
    in_place = 0
    for _time in range(60):
        page, _unused = chance.choice(used)
        place = (page - 1) * size + chance.randrange(size)
        file.write_bytes(good[:place] + bytes([good[place] ^ (1 << chance.randrange(8))]) + good[place + 1 :])
        answer = audited("verify", "--json")
        now = rows_of(file)
        assert answer.code == (0 if now == rows else 1), (place, answer)
        found = answer.document["findings"]
        if now is None:  # how far `verify` comes, entry by entry, says where
            assert places(found, "unreadable") or any(map(named, found)), (place, answer)
        elif not places(found, "unreadable"):
            changed = {offset for offset, *_ in rows - now}
            assert changed <= {offset for one in found for offset in named(one)}, (place, changed, answer)
            in_place += bool(changed)
    assert in_place > 30


def named(finding: dict[str, Any]) -> Iterable[int]:
    """The entries of which a finding says that they are not as they were, or not there."""
    first, *last = [int(number) for number in re.findall(r"\(0, (\d+)\)", finding["where"])] or [0]
    match finding["code"]:
        case "entry":
            return range(first, (last or [first])[0] + 1)
        case "gap":  # the next entry may be one of before, where the number of an entry was changed
            after = int(re.findall(r"at offset (-?\d+)", finding["says"])[0])
            return range(first, min(max(first + 1, after), EVENTS + 10))
        case "truncated":
            return range(first, EVENTS + 10)
    return ()


def rows_of(file: Path) -> set[tuple[Any, ...]] | None:
    """The entries as they lie in the file; None if they cannot be read."""
    asked = "SELECT offset, recorded_at, key, value, typeof(key), typeof(value) FROM log ORDER BY offset"
    try:
        with closing(sqlite3.connect(f"file:{file}?immutable=1&mode=ro", uri=True)) as db:
            db.text_factory = bytes
            return set(db.execute(asked).fetchall())
    except sqlite3.Error:
        return None


def test_a_checkpoint_is_not_made_over_a_log_that_was_changed_at_its_end(audited: Commands) -> None:
    edited(audited, lambda db: db.execute("DELETE FROM log WHERE offset >= 290"))
    answer: Answer = audited("checkpoint")
    assert answer.code == 1
    assert "covers 303 entries" in answer.err


def test_a_checkpoint_is_not_made_over_an_entry_that_nobody_can_have_written(audited: Commands) -> None:
    audited.json("revoke", "+14165550998")
    edited(audited, lambda db: db.execute("UPDATE log SET value = CAST(value AS TEXT) WHERE offset = 303"))
    answer = audited("checkpoint")
    assert answer.code == 1
    assert "(0, 303)" in answer.err


def test_tiles_that_were_removed_are_made_anew_from_the_log(audited: Commands) -> None:
    whole = {path: path.read_bytes() for path in files(audited)}
    shutil.rmtree(folder(audited) / "0")
    assert places(verified(audited), "tile")
    audited.json("revoke", "+14165550998")
    audited.json("checkpoint")
    assert not verified(audited)
    shutil.rmtree(folder(audited) / "0")
    edited(audited, lambda db: db.execute("UPDATE log SET key = 'x' WHERE offset = 20"))
    audited.json("revoke", "+14165550997")
    answer = audited("checkpoint")
    assert answer.code == 1
    assert "not those that were signed" in answer.err
    assert whole
