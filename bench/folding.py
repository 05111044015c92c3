"""Fold from the first event: read, decode, fold and encode every state, on one core, from a SQLite log."""

import os
import tempfile
import time
from pathlib import Path
from random import Random

from ledger.adapters.sqlite_log import SqliteLog
from ledger.log import Entry
from ledger.reference import References
from ledger.stamp import new_id
from projections.rebuilt import Rebuilt
from schemas.encoding import encode
from schemas.envelope import Capture
from schemas.events import ContactLinked, Event, PreferenceGranted, PreferenceRevoked
from schemas.scope import Scope

EVENTS = 1_000_000
KEYS = 100_000
BATCH = 5_000


def event(random: Random, references: References, now: int) -> Event:
    """An event as a large sender's log holds them: half opt-outs, the rest yes and links."""
    subject = references.of("number", f"+1416{random.randrange(KEYS):07d}")
    envelope = {
        "kind": "number", "subject": subject, "event_id": new_id(), "occurred_at": now, "received_at": now,
        "actor": "import:0123456789ab", "capture": Capture(source="import", procedure="opt-out@2"),
        "idempotency_key": os.urandom(16).hex(), "content": os.urandom(16).hex(),
    }  # fmt: skip
    match random.randrange(4):
        case 0:
            scope = Scope(brand="acme", channel="sms", purpose="marketing.offers")
            return PreferenceGranted(**envelope, scope=scope, basis="express")  # type: ignore[arg-type]
        case 1:
            return ContactLinked(**envelope, account=references.of("account", str(random.randrange(KEYS))))  # type: ignore[arg-type]
    return PreferenceRevoked(**envelope, scope=Scope())  # type: ignore[arg-type]


def fill(log: SqliteLog, events: int) -> None:
    """Appends generated events."""
    random, references, now = Random(7), References(bytes(range(32))), 1_790_000_000_000
    for start in range(0, events, BATCH):
        made = [event(random, references, now + start) for _ in range(min(BATCH, events - start))]
        log.append([Entry(one.subject, encode(one), one.event_id, one.idempotency_key, one.content) for one in made])


def run(scale: float) -> dict[str, object]:
    """Events a second, and what an event and a state weigh."""
    with tempfile.TemporaryDirectory(prefix="prefledger-bench-") as folder:
        log = SqliteLog(Path(folder) / "ledger.db")
        events = int(EVENTS * scale)
        fill(log, events)
        started, cpu = time.perf_counter(), time.process_time()
        rebuilt = Rebuilt(log)
        folded, folded_cpu = time.perf_counter() - started, time.process_time() - cpu
        states = sum(1 for _ in rebuilt.all_parts())
        log.close()
    return {
        "events": events,
        "states": states,
        "events_per_s": round(events / folded),
        "cpu_us_per_event": round(folded_cpu / events * 1e6, 2),
    }


if __name__ == "__main__":
    print(run(float(os.environ.get("SCALE", "1"))))
