"""Read models on PostgreSQL: a load of a million events, steady streams, and two queries.

`SCALE=0.1 python -m bench read_models`. Every part that is measured is a process of its own, beside the server.
"""

import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Event

import sqlalchemy as sa

from bench.events import SUBJECTS, entry, real
from consumers.projector.following import Lag, Projector
from consumers.projector.loading import load
from ledger.adapters.sqlite_log import SqliteLog
from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_model_versions import upgrade
from projections.adapters.sql_read_models import SqlReadModels
from tests.databases import new_database, postgres_server
from tests.forked import ending_here

EVENTS = 1_000_000
HISTORY = 10_000_000
RATES = (1_000, 5_000)
"""Events a second: what two cores keep up with, and what is wanted."""
STEADY_S = 30
APPENDS_A_SECOND = 20
LOOKUPS = 2_000
DAYS = 365
Figures = dict[str, float]
BY_DAY = {
    "by day": "SELECT day, sum(CASE WHEN state = 'revoked' THEN count ELSE 0 END) * 1.0 / sum(count) AS share"
    " FROM history_by_day GROUP BY day ORDER BY day",
    "by day, from the history": "SELECT valid_from / 86400000 AS day, count(*) FILTER (WHERE state = 'revoked') * 1.0"
    " / count(*) AS share FROM preference_history GROUP BY 1 ORDER BY 1",
}
COUNT = """
    INSERT INTO history_by_day
    SELECT valid_from - valid_from % 86400000, kind, scope, brand, channel, purpose, state, count(*)
    FROM preference_history GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
FILL = """
    INSERT INTO preference_history
    SELECT md5(n::text), '*/*/*', 1760000000000 + (n % {days}) * 86400000::bigint + n % 86400000, NULL, 'number',
           '*', '*', '*', CASE WHEN n % 3 = 0 THEN 'granted' ELSE 'revoked' END, 'own', md5(n::text), 1760000000000 + n
    FROM generate_series(1, {rows}) AS n
"""


def run(scale: float) -> dict[str, object]:
    """Figures by name."""
    figures: dict[str, object] = {"events": int(EVENTS * scale)}
    with tempfile.TemporaryDirectory(prefix="prefledger-bench-") as folder, postgres_server() as server:
        log, url = Path(folder) / "ledger.db", new_database(server)
        apart(lambda: fill(log, int(EVENTS * scale)))
        figures |= {f"load: {name}": figure for name, figure in apart(lambda: loaded(log, url)).items()}
        figures |= {f"lookup: {name}": figure for name, figure in apart(lambda: looked_up(url)).items()}
        for rate in RATES:
            found = steady(log, url, STEADY_S * scale, rate)
            figures |= {f"steady, {rate:,}/s offered: {name}": figure for name, figure in found.items()}
        other = new_database(server)
        figures |= apart(lambda: by_day(other, scale))
    return figures


def apart(work: Callable[[], Figures]) -> Figures:
    """What a process of its own finds."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        with ending_here():
            os.write(writes, json.dumps(work()).encode())
    os.close(writes)
    with os.fdopen(reads, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    found: Figures = json.loads(said)
    return found


def fill(path: Path, events: int, per_s: float = 0.0) -> Figures:
    """Appends events to a log: as fast as it goes, or so many a second."""
    log, batch, started = SqliteLog(path), [], time.monotonic()
    size = 10_000 if not per_s else int(per_s) // APPENDS_A_SECOND
    for number, made in enumerate(real(events, seed=int(per_s) + 7), 1):
        batch.append(entry(made))
        if number % size == 0 or number == events:
            log.append(batch)
            batch = []
            if per_s:
                time.sleep(max(0.0, started + number / per_s - time.monotonic()))
    log.close()
    return {"s": time.monotonic() - started}


def loaded(path: Path, url: str) -> Figures:
    """From nothing to rows that can be read."""
    upgrade(url)
    log, models = SqliteLog(path), SqlReadModels(url)
    started, cpu = time.perf_counter(), time.process_time()
    events = load(log, models)
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"s": seconds, "events a second": events / seconds, "our CPU, s": used, "memory, MB": memory}


def steady(path: Path, url: str, seconds: float, rate: int) -> Figures:
    """A process appends so many events a second, another follows."""
    events = int(rate * seconds)
    target = sum(SqliteLog(path).ends().values()) + events
    feeder = os.fork()
    if feeder == 0:
        with ending_here():
            fill(path, events, rate)
    found = apart(lambda: followed(path, url, target))
    os.waitpid(feeder, 0)
    return found


def followed(path: Path, url: str, target: int) -> Figures:
    """Follows until the rows have so many events; of each event how long it waited, at most."""
    log, models, asked = SqliteLog(path), SqlReadModels(url), Event()
    waits: list[int] = []

    def tell(events: int, lag: Lag) -> None:
        waits.extend([lag.ms] * events)
        if sum(place.offset for place in models.positions().values()) >= target:
            asked.set()

    started, cpu = time.perf_counter(), time.process_time()
    Projector(log, models, tell).follow(asked)
    spent, used = time.perf_counter() - started, time.process_time() - cpu
    waits.sort()
    return {
        "events a second": len(waits) / spent, "our CPU, µs an event": used / len(waits) * 1e6,
        "lag p50, ms": waits[len(waits) // 2], "lag p99, ms": waits[int(len(waits) * 0.99)], "lag most, ms": waits[-1],
    }  # fmt: skip


def looked_up(url: str) -> Figures:
    """All that holds for one number, asked for again and again."""
    random, took = Random(5), []
    query = sa.text("SELECT scope, state, level, event_id, since FROM current_preferences WHERE subject = :subject")
    with engine_of(url).connect() as connection:
        for _ in range(LOOKUPS):
            started = time.perf_counter()
            connection.execute(query, {"subject": random.choice(SUBJECTS)}).all()
            took.append((time.perf_counter() - started) * 1000)
    return {"p50, ms": statistics.median(took), "p99, ms": sorted(took)[int(LOOKUPS * 0.99)]}


def by_day(url: str, scale: float) -> Figures:
    """The share of opt-outs by day over a long history: by the rows that count it, and counted anew."""
    upgrade(url)
    rows = int(HISTORY * scale)
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(sa.text(FILL.format(rows=rows, days=DAYS)))
        connection.execute(sa.text(COUNT))
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE preference_history, history_by_day")
    figures: Figures = {"by day: rows": rows}
    with engine.connect() as connection:
        for name, sql in BY_DAY.items():
            took = []
            for _ in range(3):
                started = time.perf_counter()
                assert len(connection.execute(sa.text(sql)).all()) >= DAYS
                took.append(time.perf_counter() - started)
            figures[f"{name}: ms"] = min(took) * 1000
    return figures
