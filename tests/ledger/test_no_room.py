"""Without room the ledger says so, keeps what it acknowledged, writes nothing by halves, and goes on with room."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.errors import NoRoomError, UnavailableError
from tests.contracts.log import appended, entry, kinds
from tests.contracts.people import identity, words
from tests.ledger.worker import begin, finish, started
from tests.room import no_file_larger_than

OPENERS: dict[str, Callable[[Path], object]] = {
    "log": SqliteLog,
    "people": lambda path: SqlitePeople(path, bytes(32)),
}


def may_mount() -> bool:
    """Whether this user may mount in a namespace of his own; in containers often not."""
    try:
        asked = subprocess.run(
            ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
        )
    except OSError:
        return False
    return asked.returncode == 0


needs_mount = pytest.mark.skipif(not may_mount(), reason="mounting needs root (or user namespaces)")


def checked(said: list[str], path: Path) -> None:
    """What the worker said about filling up a ledger, held against what is there."""
    stored = [line.split()[1] for line in said if line.startswith("stored ")]
    (end,) = [int(line.split()[1]) for line in said if line.startswith("end ")]
    refusals = [line for line in said if line.startswith("refused ")]
    assert len(refusals) == 3
    assert all(f"{path} cannot be written to: the disk is full" in line for line in refusals)
    assert end > 200
    assert len(stored) == len(set(stored)) == end + 221


def test_at_a_limit_nothing_acknowledged_is_lost_and_it_goes_on_when_the_limit_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with started("fill", path, 3_000_000) as process:
        begin(process)
        said = finish(process)
    checked(said, path)
    with closing(SqliteLog(path)) as log:
        assert log.ends() == {0: sum(line.startswith("stored ") for line in said)}
        assert all(log.find(line.split()[1]) for line in said if line.startswith("stored "))
        assert sum(1 for _recorded in log.read(0)) == log.ends()[0]


@needs_mount
def test_on_a_full_disk_nothing_acknowledged_is_lost_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    # The disk is of a namespace of its own: it is gone with the process, however that ends.
    mount = f"mount -t tmpfs -o size=8m tmpfs {tmp_path}"
    script = f'{mount} && head -c 4000000 /dev/zero > {tmp_path}/ballast && exec "$0" "$@"'
    path = tmp_path / "ledger.db"
    with started("fill", path, 0, before=("unshare", "--mount", "sh", "-c", script)) as process:
        begin(process)
        checked(finish(process), path)
    assert not path.exists()


@needs_mount
@pytest.mark.parametrize("kind", OPENERS)
def test_a_disk_that_is_mounted_read_only_is_named(tmp_path: Path, kind: str) -> None:
    opener = {"log": "SqliteLog(path)", "people": "SqlitePeople(path, bytes(32))"}[kind]
    code = f"""
import pathlib, sys
from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.errors import UnavailableError
path = pathlib.Path(sys.argv[1]) / "some.db"
try:
    {opener}
except UnavailableError as error:
    print(error)
"""
    asked = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro tmpfs "$1" && exec "$0" -c "$2" "$1"',
         sys.executable, str(tmp_path), code],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert asked.stdout == (
        f"{tmp_path}/some.db cannot be opened (Read-only file system); check its folder and who may write there\n"
    ), asked.stderr


@pytest.mark.parametrize("forbidden", ["folder", "file"])
def test_where_one_may_not_write_is_named(forbidden: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # others cannot enter pytest's own
        path = Path(folder) / "ledger.db"
        if forbidden == "file":
            SqliteLog(path).close()
            path.chmod(0o444)
        for name in os.listdir(folder):
            if not name.endswith(".db"):
                (Path(folder) / name).chmod(0o666)
        Path(folder).chmod(0o555 if forbidden == "folder" else 0o777)
        with started("without_rights", path) as process:
            begin(process)
            (said,) = finish(process)
    assert said.startswith(f"{path} cannot be ")
    assert "check its folder and who may write there" in said


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, where not even root may make a file")
@pytest.mark.parametrize("kind", OPENERS)
def test_a_folder_where_not_even_root_may_write_is_named(kind: str) -> None:
    with pytest.raises(UnavailableError, match=r"/proc/self/some\.db|/proc/\d+/some\.db"):
        OPENERS[kind](Path("/proc/self/some.db"))


@pytest.mark.parametrize("kind", OPENERS)
def test_without_room_for_a_new_ledger_none_is_left(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "some.db"
    for size in (0, 100, 5_000, 12_000):
        with no_file_larger_than(size), pytest.raises(NoRoomError, match="make room"):
            OPENERS[kind](path)
        assert sorted(os.listdir(tmp_path)) == ["some.db.lock", "some.db.turn"]
    OPENERS[kind](path).close()  # type: ignore[attr-defined]


def test_a_small_request_is_stored_beside_one_that_has_no_room(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "ledger.db")) as log:
        appended(log, entry())
        with no_file_larger_than(2_000_000):
            turn = log._file._turnstile.held()
            with turn:  # so that both are taken together
                large = log.submit([entry(value=bytes(900)) for _entry in range(3_000)])
                futures = [log.submit([entry()]), large, log.submit([entry()])]
            assert [type(future.exception(30)) for future in futures] == [type(None), NoRoomError, type(None)]
        assert log.ends() == {0: 3}


def test_what_the_log_knows_it_answers_without_room(tmp_path: Path) -> None:
    known = entry()
    with closing(SqliteLog(tmp_path / "ledger.db")) as log:
        appended(log, known)
        with no_file_larger_than(0):
            with pytest.raises(NoRoomError):
                log.append([entry()])
            assert kinds(log.append([known])) == ["Duplicate"]
            assert log.find(known.event_id) is not None


def test_identities_are_kept_all_or_none_and_go_on_when_there_is_room(tmp_path: Path) -> None:
    with closing(SqlitePeople(tmp_path / "people.db", bytes(32))) as people:
        first = identity()
        people.keep([first])
        many = [identity() for _person in range(5_000)]
        with no_file_larger_than(300_000):
            with pytest.raises(NoRoomError, match="make room"):
                people.keep(many, [words(many[0].ref)])
            assert list(people.all_refs()) == [first.ref]
            people.keep([many[7]])
        people.keep(many)
        assert len(list(people.all_refs())) == 5_001


def test_a_backup_without_room_leaves_nothing(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "ledger.db")) as log:
        appended(log, *(entry(value=bytes(900)) for _entry in range(500)))
        target = tmp_path / "elsewhere" / "backup.db"
        with pytest.raises(UnavailableError, match="elsewhere"):
            log.backup_to(target)
        target.parent.mkdir()
        with no_file_larger_than(100_000), pytest.raises(NoRoomError, match=str(target)):
            log.backup_to(target)
        assert os.listdir(target.parent) == []
        log.backup_to(target)
        assert os.listdir(target.parent) == ["backup.db"]
        shutil.rmtree(target.parent)
