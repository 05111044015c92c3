"""kill -9 at any moment, then the same command again: nothing is lost and nothing doubled."""

import multiprocessing
import random
from collections import Counter
from pathlib import Path

from consumers.importing import load as loading
from consumers.importing import window as windows
from consumers.importing.load import load
from consumers.importing.options import options
from ledger.adapters.sqlite_log import SqliteLog
from ledger.adapters.sqlite_people import SqlitePeople
from tests.controls_import import events, recorder

ROWS = 12_000
ROUNDS = 20
SAID = {"defaults": ["action=revoke"]}


def imports(folder: Path) -> None:
    """What the victim does, from opening the ledger to the end."""
    for module in (loading, windows):
        setattr(module, "BATCH", 250)  # noqa: B010 - a constant, in this process only
    setattr(loading, "WINDOW", 1_000)  # noqa: B010
    log, people = SqliteLog(folder / "ledger.db"), SqlitePeople(folder / "people.db", bytes(32))
    load(folder / "list.csv", recorder(log, people), options(**SAID))
    (folder / "done").touch()


def test_an_import_that_is_killed_twenty_times_records_each_row_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    numbers = [f"+1416{n:07d}" for n in rng.sample(range(2_000_000, 10_000_000), ROWS)]
    header = "number,occurred_at,channel\n"
    rows = [
        f"{number},2026-01-01T{n % 24:02d}:00:00Z,fax\n" if n % 2 else f"{number},,\n"
        for n, number in enumerate(numbers)
    ]
    (tmp_path / "list.csv").write_text(header + "".join(rows) + "none,,\n")
    fork = multiprocessing.get_context("forkserver")
    fork.set_forkserver_preload([__name__])
    killed = 0
    for _ in range(ROUNDS):
        victim = fork.Process(target=imports, args=(tmp_path,))
        victim.start()
        victim.join(rng.uniform(0.05, 0.5))
        killed += victim.is_alive()
        victim.kill()
        victim.join()
    assert killed > 0
    log, people = SqliteLog(tmp_path / "ledger.db"), SqlitePeople(tmp_path / "people.db", bytes(32))
    result = load(tmp_path / "list.csv", recorder(log, people), options(**SAID))
    assert result.rows == ROWS + 1 == result.recorded + result.duplicates + 1
    found = Counter(event.type for event in events(log))
    assert found == {"PreferenceRevoked": ROWS, "FollowUpOpened": 1}
    subjects = {event.subject for event in events(log) if event.kind == "number"}
    assert {identity.id for identity in people.identities(subjects).values()} == set(numbers)
    people.close()
    log.close()
