"""What was signed of a log before it was moved is checked in the log that it was moved to, however often."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.move import Moving, move_log
from consumers.proofs.checkpoints import Checkpoints
from consumers.proofs.verify import Verification
from consumers.proofs.walk import Finding
from ledger.adapters.file_tiles import FileTiles
from ledger.adapters.memory_log import MemoryLog
from ledger.log import Log, Position, Recorded, Scanned
from ledger.notes import Signer
from schemas.topics import partition_of
from tests.contracts.log import appended, entry, ref

ORIGIN = "test/ledger"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))


class MovedLog(MemoryLog):
    """A log in memory that can be filled from another, as the topics of Kafka can."""

    def __init__(self, partitions: int) -> None:
        super().__init__(partitions)
        self.was: dict[Position, Sequence[Position]] = {}
        self.parts = self._partitions
        self.forge: Callable[[list[Moving]], None] = lambda _entries: None

    def partition_of(self, key: str) -> int:
        return partition_of(key, len(self.parts))

    def begin(self) -> None:
        """Nothing to be set."""

    def finish(self) -> None:
        """Nothing to be set."""

    def held(self) -> Iterator[Recorded]:
        return (one for part in self.parts for one in part)

    def add(self, entries: Sequence[Moving]) -> None:
        changed = list(entries)
        self.forge(changed)
        for (_, recorded_at, key, value), was in changed:
            partition = self.partition_of(key)
            position = Position(partition, len(self.parts[partition]))
            self.parts[partition].append(Recorded(position, recorded_at, key, value))
            self.was[position] = was

    def scan(self, partition: int, end: int | None = None, start: int = 0) -> Iterator[Scanned]:
        for one in self.read(partition, start, end):
            yield one.position.offset, *one[1:], self.was.get(one.position)


def filled(log: Log, count: int = 700) -> Log:
    keys = [ref() for _key in range(40)]
    for start in range(0, count, 50):
        appended(log, *(entry(keys[number % 40], value=b"%d" % (start + number)) for number in range(50)))
    return log


def moved(source: Log, partitions: int, forge: Callable[[list[Moving]], None] | None = None) -> MovedLog:
    target = MovedLog(partitions)
    if forge is None:
        move_log(source, target, lambda: None)
        return target
    target.forge = forge  # what an operator's own program might do instead
    target.add([Moving(one, (one.position,)) for one in source.read(0)])
    return target


def checkpoints(log: Log, tiles: Path, era: int) -> Checkpoints:
    return Checkpoints(log, FileTiles(tiles), ORIGIN, era, SIGNER.verifier, lambda: SIGNER)


def found(log: Log, tiles: Path, era: int, kept: dict[str, bytes]) -> list[Finding]:
    return Verification(checkpoints(log, tiles, era)).run(kept).findings


def test_every_checkpoint_is_checked_after_every_move(tmp_path: Path) -> None:
    kept: dict[str, bytes] = {}
    log: Log = MovedLog(1)
    for era, partitions in enumerate((1, 3, 7, 2)):
        if era:
            log = moved(log, partitions)
            assert found(log, tmp_path, era, kept) == []
        for _time in range(2):
            filled(log, 300)
            kept[f"era {era}"] = checkpoints(log, tmp_path, era).make().note
        own = (tmp_path / f"{era}/0/checkpoint").read_bytes()
        kept[f"era {era}, partition 0"] = own
        assert found(log, tmp_path, era, kept) == []
    assert sum(log.ends().values()) == 2_400


def edit(entries: list[Moving]) -> None:
    entries[20] = entries[20]._replace(recorded=entries[20].recorded._replace(value=b"another"))


def drop(entries: list[Moving]) -> None:
    del entries[20]


def swap(entries: list[Moving]) -> None:
    entries[20], entries[21] = (
        Moving(entries[20].recorded, entries[21].was), Moving(entries[21].recorded, entries[20].was),
    )  # fmt: skip


def put_in(entries: list[Moving]) -> None:
    entries.insert(20, entries[20]._replace(recorded=entries[20].recorded._replace(value=b"another")))


def cut_off(entries: list[Moving]) -> None:
    del entries[600:]


def forget(entries: list[Moving]) -> None:
    entries[20] = entries[20]._replace(was=())


@pytest.mark.parametrize(
    ("forge", "code", "where"),
    [
        (edit, "entry", "era 0, (0, 20)"),
        (drop, "gap", "era 0, partition 0"),
        (drop, "entry", "era 0, (0, 20)"),
        (swap, "entry", "era 0, (0, 20) to era 0, (0, 21)"),
        (put_in, "gap", "era 0, partition 0"),
        (cut_off, "truncated", "era 0, (0, 600)"),
        (forget, "gap", "era 0, partition 0"),
    ],
)
def test_what_was_changed_on_the_way_is_found_where_it_stood(
    tmp_path: Path, forge: Callable[[list[Moving]], None], code: str, where: str
) -> None:
    log = filled(MovedLog(1))
    kept = {"kept": checkpoints(log, tmp_path, 0).make().note}
    assert found(moved(log, 3), tmp_path, 1, kept) == []
    findings = found(moved(log, 3, forge), tmp_path, 1, kept)
    assert (code, where) in [(one.code, one.where) for one in findings], findings
