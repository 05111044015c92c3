"""Checkpoints, proofs and the verification of a whole log, on the SQLite log.

`SCALE=0.1 python -m bench evidence` at a tenth of its size.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.events import real
from bench.filled_log import fill
from consumers.proofs.checkpoints import Checkpoints
from consumers.proofs.hashers import Hashers
from consumers.proofs.verify import Verification
from ledger.adapters.file_tiles import FileTiles
from ledger.adapters.sqlite_log import SqliteLog
from ledger.log import Entry
from ledger.notes import Signer
from schemas.encoding import decode

EVENTS = 10_000_000
NEW = 100_000
PROOFS = 2_000
CALL = 5_000
ORIGIN = "bench/ledger"


def run(scale: float) -> dict[str, object]:
    """Figures by name. At scale 1: ten million events of about 515 bytes, of which the last 100,000 are new."""
    events = max(2 * NEW, int(EVENTS * scale))
    with tempfile.TemporaryDirectory(prefix="prefledger-bench-") as folder:
        path, drawn = Path(folder) / "ledger.db", list[str]()
        filling = _timed(lambda: fill(path, _entries(events - NEW, 1, drawn)))
        log = SqliteLog(path)
        try:
            return {"events": events, "filling the log, s": filling} | _measured(log, path, drawn, events)
        finally:
            log.close()


def _measured(log: SqliteLog, path: Path, ids: list[str], events: int) -> dict[str, object]:
    signer, tiles = Signer(ORIGIN, Ed25519PrivateKey.generate()), path.parent / "tlog"
    checkpoints = Checkpoints(log, FileTiles(tiles), ORIGIN, 0, signer.verifier, lambda: signer)
    first = _timed(checkpoints.make)
    _appended(log, _entries(NEW, 2, ids))
    second = _timed(checkpoints.make)
    proofs = sorted(_timed(lambda at=event_id: checkpoints.prove(at)) for event_id in Random(3).sample(ids, PROOFS))
    alone = events / _timed(lambda: _verified(checkpoints, None))
    together = events / _timed(lambda: _verified(checkpoints, Hashers(partial(SqliteLog, path), os.cpu_count() or 1)))
    size = sum(path.stat().st_size for path in tiles.rglob("*") if path.is_file())
    return {
        "first checkpoint, events/s": (events - NEW) / first,
        f"checkpoint of {NEW:,} new ones, s": second, "prove, warm, p50 ms": proofs[PROOFS // 2] * 1000,
        "prove, warm, p99 ms": proofs[PROOFS * 99 // 100] * 1000, "verify of everything, events/s": together,
        "verify of everything by one process, events/s": alone,
        "tiles, bytes an event": size / events,
    }  # fmt: skip


def _verified(checkpoints: Checkpoints, hashers: Hashers | None) -> None:
    report = Verification(checkpoints, hashers).run({})
    assert report.findings == []


def _timed(done: Callable[[], object]) -> float:
    started = time.perf_counter()
    done()
    return time.perf_counter() - started


def _entries(count: int, seed: int, drawn: list[str]) -> Iterator[Entry]:
    """Real events; the ids of some thousands of them, drawn from all, go into `drawn`."""
    random = Random(seed)
    every = max(1, count // PROOFS)
    for number, (key, value) in enumerate(real(count, seed)):
        # Only what the log itself needs is said: ids of our own, so that nothing has to be parsed ten million times.
        event_id = f"{number:08x}-{seed:04x}-7000-8000-{random.getrandbits(48):012x}"
        yield Entry(key, value, event_id, f"{random.getrandbits(128):032x}", f"{random.getrandbits(128):032x}")
        if number % every == 0:
            drawn.append(event_id)
    decode(value)  # they are what a ledger holds


def _appended(log: SqliteLog, entries: Iterator[Entry]) -> None:
    while some := list(islice(entries, CALL)):
        log.append(some)
