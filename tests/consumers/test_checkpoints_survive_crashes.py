"""Whatever is cut short while a checkpoint is made, the old one holds and the next one is right.

And the next one costs what is new, not what is old.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.proofs.checkpoints import Checkpoints
from consumers.proofs.verify import Verification
from ledger.adapters.file_tiles import FileTiles
from ledger.adapters.memory_log import MemoryLog
from ledger.log import Log, Position, Recorded, Scanned
from ledger.notes import Signer
from tests.contracts.log import appended, entry

ORIGIN = "test/ledger"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))


class CrashError(BaseException):
    """The machine stops here."""


class Crashing(FileTiles):
    """Stops before the write, or the removal, of that number."""

    def __init__(self, folder: Path, left: int) -> None:
        super().__init__(folder)
        self.left = left

    def write(self, name: str, data: bytes) -> None:
        self._step()
        super().write(name, data)

    def remove_partial(self, name: str) -> None:
        self._step()
        super().remove_partial(name)

    def _step(self) -> None:
        if self.left == 0:
            raise CrashError
        self.left -= 1


class Counting(MemoryLog):
    """Writes down which entries were read."""

    def __init__(self, partitions: int) -> None:
        super().__init__(partitions)
        self.was_read: list[Position] = []

    def read(self, partition: int, start: int = 0, end: int | None = None) -> Iterator[Recorded]:
        for one in super().read(partition, start, end):
            self.was_read.append(one.position)
            yield one

    def scan(self, partition: int, end: int | None = None, start: int = 0) -> Iterator[Scanned]:
        for one in super().scan(partition, end, start):
            self.was_read.append(Position(partition, one[0]))
            yield one

    def read_subject(self, key: str) -> Iterator[Recorded]:
        for one in super().read_subject(key):
            self.was_read.append(one.position)
            yield one


class CountingTiles(FileTiles):
    """Counts what was read of the tiles, and what was written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bytes = 0

    def read(self, name: str) -> bytes | None:
        found = super().read(name)
        self.bytes += len(found or b"")
        return found

    def write(self, name: str, data: bytes) -> None:
        self.bytes += len(data)
        super().write(name, data)


@pytest.fixture
def log() -> Iterator[Log]:
    with closing(MemoryLog(3)) as log:
        yield log


def opened(log: Log, tiles: FileTiles) -> Checkpoints:
    return Checkpoints(log, tiles, ORIGIN, 0, SIGNER.verifier, lambda: SIGNER)


def test_a_crash_at_any_step_leaves_nothing_wrong(log: Log, tmp_path: Path) -> None:
    kept: dict[str, bytes] = {}
    crashes = 0
    for step in range(40):
        appended(log, *(entry() for _entry in range(97)))
        try:
            opened(log, Crashing(tmp_path, step)).make()
        except CrashError:
            crashes += 1
        before = opened(log, FileTiles(tmp_path))
        if before.newest():
            assert Verification(before).run(kept).findings == []
        appended(log, entry())  # so that the next one signs other heads than those that were cut short
        kept[f"kept {step}"] = opened(log, FileTiles(tmp_path)).make().note
        assert Verification(opened(log, FileTiles(tmp_path))).run(kept).findings == []
    assert 10 < crashes < 40, "each step of some checkpoint, and then a whole one"


def test_a_log_to_which_nothing_was_added_keeps_its_checkpoint(log: Log, tmp_path: Path) -> None:
    appended(log, *(entry() for _entry in range(9)))
    checkpoints = opened(log, FileTiles(tmp_path))
    first = checkpoints.make()
    assert first.added == 9
    assert checkpoints.make() == first._replace(added=0)
    assert opened(log, FileTiles(tmp_path)).make() == first._replace(added=0)


@pytest.mark.parametrize("again", ["in the same process", "in another process"])
def test_a_checkpoint_reads_of_the_log_what_was_added_since_the_last_one(tmp_path: Path, again: str) -> None:
    log = Counting(3)
    appended(log, *(entry() for _entry in range(1_000)))
    checkpoints = opened(log, FileTiles(tmp_path))
    checkpoints.make()
    assert len(log.was_read) == 1_000
    before = log.ends()
    log.was_read.clear()
    appended(log, *(entry() for _entry in range(100)))
    if again == "in another process":
        checkpoints = opened(log, FileTiles(tmp_path))
    assert checkpoints.make().added == 100
    new = [Position(part, offset) for part, end in log.ends().items() for offset in range(before[part], end)]
    assert sorted(log.was_read) == new


def test_a_checkpoint_of_a_log_eight_times_as_long_moves_no_more_of_its_tiles(tmp_path: Path) -> None:
    moved = []
    for old in (4_000, 32_000):
        log, folder = MemoryLog(1), tmp_path / str(old)
        appended(log, *(entry() for _entry in range(old)))
        opened(log, FileTiles(folder)).make()
        appended(log, *(entry() for _entry in range(100)))
        tiles = CountingTiles(folder)
        assert opened(log, tiles).make().added == 100
        moved.append(tiles.bytes)
    assert moved[1] < 2 * moved[0], "what is old would make it eight times as much"


def test_several_that_make_checkpoints_at_once_make_one_log_of_heads(log: Log, tmp_path: Path) -> None:
    notes: dict[str, bytes] = {}

    def make(name: str) -> None:
        checkpoints = opened(log, FileTiles(tmp_path))
        for number in range(10):
            appended(log, entry())
            notes[f"{name} {number}"] = checkpoints.make().note

    threads = [threading.Thread(target=make, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(notes) == 30
    assert Verification(opened(log, FileTiles(tmp_path))).run(notes).findings == []
