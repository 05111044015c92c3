"""Every erasable store keeps to the contract; and what the SQLite store promises besides."""

import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.memory_people import MemoryPeople
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.errors import NotALedgerError, UnavailableError, WrongSecretError
from ledger.people import Identity, People, Words
from tests.contracts.people import PeopleContract, identity, ref, words

KEY = bytes(range(32))
HOUR = 3_600_000


class TestMemoryPeople(PeopleContract):
    @pytest.fixture
    def people(self) -> People:
        return MemoryPeople()


class TestSqlitePeople(PeopleContract):
    @pytest.fixture
    def people(self, path: Path) -> Iterator[People]:
        people = SqlitePeople(path, KEY)
        yield people
        people.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


@pytest.fixture
def people(path: Path) -> Iterator[SqlitePeople]:
    people = SqlitePeople(path, KEY)
    yield people
    people.close()


def every_byte(path: Path) -> bytes:
    """All files of a store, the WAL included."""
    return b"\n".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


def sealed_of(path: Path) -> dict[int, bytes]:
    """The ciphertexts by slot, read behind the store's back."""
    with sqlite3.connect(path) as db:
        rows = dict(db.execute("SELECT slot, sealed FROM vault").fetchall())
    db.close()
    return rows


def slots_of(path: Path, of: str) -> list[int]:
    with sqlite3.connect(path) as db:
        known = bytes.fromhex(of)
        rows = db.execute(
            "SELECT slot FROM identity WHERE ref = ? UNION SELECT slot FROM evidence WHERE ref = ?", (known, known)
        ).fetchall()
    db.close()
    return [slot for (slot,) in rows]


def test_no_file_holds_a_number_or_a_word_in_the_clear(people: SqlitePeople, path: Path) -> None:
    one = identity(id_="+14165550123")
    people.keep([one], [words(one.ref, "leave me in peace")])
    found = every_byte(path)
    for text in (b"4165550123", b"leave me", b"peace"):
        assert text not in found


def test_nothing_of_what_was_erased_can_be_found_in_any_file(people: SqlitePeople, path: Path) -> None:
    chance = random.Random(7)
    many = [identity(id_=f"+1416{number:07d}") for number in range(4_000)]
    said = [words(one.ref, "stop " * chance.choice([1, 20, 300, 5_000])) for one in many[::40]]
    for start in range(0, 4_000, 500):  # in random order of reference, so that the indexes split and split again
        people.keep(many[start : start + 500], [each for each in said if each.ref in {one.ref for one in many}])
    sealed = sealed_of(path)
    gone = chance.sample(many, 50) + many[:400:40]
    slots = {slot for one in gone for slot in slots_of(path, one.ref)}
    for one in gone:
        people.erase(one.ref)
        people.keep([identity()])  # life goes on between erasures
    found = every_byte(path)
    assert len(slots) >= 65
    for slot in slots:
        # A long text is spread over pages: no part of it may be left, so it is looked for in pieces.
        assert all(sealed[slot][start : start + 16] not in found for start in range(0, len(sealed[slot]) - 16, 512))


def test_no_record_is_in_the_file_twice_so_that_an_erasure_reaches_all_of_it(people: SqlitePeople, path: Path) -> None:
    many = [identity(id_=f"+1416{number:07d}") for number in range(6_000)]
    random.Random(7).shuffle(many)
    for start in range(0, len(many), 700):
        people.keep(many[start : start + 700], [words(one.ref) for one in many[start : start + 700 : 9]])
        people.erase(many[start].ref)
        people.erase(many[start + 350].ref)
    people.close()
    whole = path.read_bytes()
    assert {whole.count(sealed) for sealed in sealed_of(path).values() if any(sealed)} == {1}


def test_the_wal_is_empty_after_an_erasure(people: SqlitePeople, path: Path) -> None:
    one = identity()
    people.keep([one])
    people.erase(one.ref)
    assert path.with_name("people.db-wal").stat().st_size == 0


def test_an_erasure_says_so_when_another_program_keeps_traces(path: Path) -> None:
    people = SqlitePeople(path, KEY, patience=0.2)
    one = identity()
    people.keep([one])
    foreign = sqlite3.connect(path, isolation_level=None)
    foreign.execute("BEGIN")
    foreign.execute("SELECT count(*) FROM vault").fetchone()
    with pytest.raises(UnavailableError, match="erase again"):
        people.erase(one.ref)
    assert people.identity(one.ref) is None
    foreign.execute("ROLLBACK")
    foreign.close()
    assert people.erase(one.ref) == 0
    assert path.with_name("people.db-wal").stat().st_size == 0
    people.close()


def test_what_was_kept_and_erased_is_so_when_the_file_is_opened_again(people: SqlitePeople, path: Path) -> None:
    one, gone = identity(), identity()
    said = words(one.ref)
    people.keep([one, gone], [said])
    people.erase(gone.ref)
    people.close()
    again = SqlitePeople(path, KEY)
    again.keep([gone])
    assert list(again.all_refs()) == [one.ref]
    assert again.evidence(one.ref, said.event_id) == said
    again.close()


def test_another_secret_is_refused_and_nothing_changes(people: SqlitePeople, path: Path) -> None:
    people.keep([identity()])
    people.close()
    before = path.read_bytes()
    with pytest.raises(WrongSecretError, match=str(path)):
        SqlitePeople(path, bytes(32))
    assert path.read_bytes() == before


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(path: Path, length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SqlitePeople(path, bytes(length))
    assert not path.exists()


def test_records_of_two_people_cannot_be_swapped(people: SqlitePeople, path: Path) -> None:
    one, other = identity(), identity(id_="+15550000000")
    said = words(one.ref)
    people.keep([one, other], [said])
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("UPDATE identity SET slot = 1 - slot")
    db.execute("UPDATE vault SET sealed = zeroblob(99) WHERE slot = 2")
    db.close()
    for damaged in (lambda: people.identity(one.ref), lambda: people.evidence(said.ref, said.event_id)):
        with pytest.raises(NotALedgerError, match=r"people\.db is damaged"):
            damaged()


def test_the_same_number_is_never_sealed_the_same_way(people: SqlitePeople, path: Path) -> None:
    people.keep([identity() for _person in range(500)])
    sealed = sealed_of(path).values()
    assert len(set(sealed)) == len({nonce[:12] for nonce in sealed}) == 500
    assert len({len(one) for one in sealed}) == 1


def test_two_of_one_process_may_have_the_same_file_open(people: SqlitePeople, path: Path) -> None:
    other = SqlitePeople(path, KEY)
    one = identity()
    people.keep([one])
    assert other.identity(one.ref) == one
    assert other.erase(one.ref) == 1
    people.keep([one])
    assert people.identity(one.ref) is None
    other.close()


def test_an_event_of_a_known_person_writes_nothing(people: SqlitePeople, path: Path) -> None:
    one = identity()
    people.keep([one])
    before = path.with_name("people.db-wal").read_bytes()
    people.keep([one, one._replace(renews=True)])
    assert path.with_name("people.db-wal").read_bytes() == before


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_was_kept_a_day_ago_is_told_from_what_was_kept_today(kind: str, path: Path) -> None:
    hours = [0]

    def clock() -> int:
        return 1_000_000_000_000 + hours[0] * HOUR

    people = MemoryPeople(clock) if kind == "memory" else SqlitePeople(path, KEY, clock=clock)
    old = [identity() for _person in range(2_500)]
    new = [identity() for _person in range(100)]
    people.keep(old)
    assert list(people.kept_before(clock() - HOUR)) == []
    hours[0] = 23  # nobody kept anything meanwhile
    assert sorted(people.kept_before(clock() - 20 * HOUR)) == sorted(one.ref for one in old)
    people.keep([*new, *old[:50]])
    hours[0] = 26
    people.keep([identity() for _person in range(20)])
    assert sorted(people.kept_before(clock() - 4 * HOUR)) == sorted(one.ref for one in old)
    assert sorted(people.kept_before(clock() - 2 * HOUR)) == sorted(one.ref for one in (*old, *new))
    assert list(people.kept_before(clock() - 27 * HOUR)) == []
    people.close()


def test_a_backup_can_be_opened_and_read(people: SqlitePeople, path: Path) -> None:
    one = identity()
    people.keep([one], [Words(one.ref, "e", b"s", "text")])
    people.backup_to(path.with_name("copy.db"))
    copy = SqlitePeople(path.with_name("copy.db"), KEY)
    assert copy.identity(one.ref) == Identity(one.ref, "number", one.id)
    copy.close()


def test_a_closed_store_says_so(people: SqlitePeople) -> None:
    people.close()
    with pytest.raises(UnavailableError, match="is closed"):
        people.keep([identity()])
    with pytest.raises(UnavailableError, match="is closed"):
        people.identity(ref())
    with pytest.raises(UnavailableError, match="is closed"):
        people.erase(ref())


def test_a_store_may_be_closed_in_the_middle_of_a_listing(people: SqlitePeople) -> None:
    people.keep([identity(), identity()])
    refs = people.all_refs()
    next(refs)
    people.close()
    assert os.path.exists(people._file.path)
