"""Whatever is cut short while a checkpoint is made, the old one holds and the next one is right."""

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
from ledger.log import Log
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
