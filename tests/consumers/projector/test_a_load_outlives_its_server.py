"""A first load of a long ledger, or a replay, whose server stops in the middle goes on, and every row is right."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

import psycopg
import pytest

from consumers.bootstrap.ledger_log import open_ledger_log
from consumers.projector import loading
from consumers.projector.loading import load
from consumers.settings import Settings
from ledger.adapters.sqlite_log import SqliteLog
from projections.adapters.read_model_replacing import BESIDE
from projections.adapters.read_model_versions import upgrade
from projections.adapters.sql_read_models import SqlReadModels
from stack.processes import Process, wait_until
from tests.consumers.commands import Commands
from tests.consumers.projector.rows import expected, stored
from tests.consumers.projector.test_a_database_that_is_away_is_waited_for import reached
from tests.consumers.projector.test_it_goes_on_by_itself_once_it_can import administrator
from tests.databases import Stoppable, new_database, stoppable_server
from tests.histories import history
from tests.projections.logged import entry

PATIENCE_S = 90.0
EVENTS, TURN, BEGUN = 90, 5, 20
FACTS = history(Random(8), events=EVENTS).facts
RUN = f"""
import sys
from consumers.cli.main import run
from consumers.projector import loading
loading.WORTH_IT, loading.LARGE = {EVENTS}, {TURN}
sys.exit(run(sys.argv[1:]))
"""
PARTS = {
    "folding": f"{BESIDE}.accounts IN ACCESS EXCLUSIVE MODE",
    "making rows": f"{BESIDE}.preference_history IN ACCESS EXCLUSIVE MODE",
    "putting them in place": "read_models.positions IN SHARE MODE",
}
"""Which lock keeps a load in the middle of each of its parts, and not before."""
WAITING = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'prefledger' AND wait_event_type = 'Lock'"


@pytest.fixture
def stoppable(tmp_path: Path) -> Iterator[Stoppable]:
    """A server of this test's own."""
    with stoppable_server(tmp_path / "data") as server:
        yield server


@pytest.fixture
def ledger(commands: Commands) -> Settings:
    """A ledger in a file, of as many events as a load is worth."""
    commands.json("policy", "show")  # makes the folder, and the secret
    settings = Settings(home=commands.home)
    with closing(SqliteLog(settings.ledger_path)) as log:
        log.append([entry(fact, number) for number, fact in enumerate(FACTS)])
    return settings


def begun(settings: Settings, url: str) -> None:
    """A load of which a part is done: what it folded is in the tables beside."""
    folded: list[int] = []

    def cut_short(events: int, _lag: object) -> None:
        folded.append(events)
        if sum(folded) >= BEGUN:
            raise KeyboardInterrupt

    with open_ledger_log(settings) as log, closing(SqlReadModels(url)) as models, suppress(KeyboardInterrupt):
        load(log, models, cut_short)


@contextmanager
def stopped_while(part: str, stoppable: Stoppable, url: str) -> Iterator[None]:
    """The load that is started in the block comes into a part of it, and then the server stops."""
    with administrator(url) as holder, suppress(psycopg.OperationalError), holder.transaction():
        holder.execute(f"LOCK TABLE {PARTS[part]}".encode())
        yield
        with administrator(url) as asking:
            wait_until(lambda: asking.execute(WAITING).rowcount == 1, PATIENCE_S, f"it is {part}")
        stoppable.stop()


def projector(tmp_path: Path, url: str, *arguments: str) -> Process:
    """A process of the command, for which a ledger as short as this one is long."""
    environment = {"PREFLEDGER_DATABASE_URL": url, "PYTHONPATH": str(Path(__file__).parents[3])}
    log = tmp_path / f"projector-{time.monotonic_ns()}.log"
    return Process("projector", [sys.executable, "-c", RUN, "projector", *arguments], log, environment)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of a few events here as well."""
    monkeypatch.setattr(loading, "LARGE", TURN)


def all_rows_are_right(settings: Settings, url: str) -> None:
    """Row by row as a fold from the first event makes them."""
    with open_ledger_log(settings) as log:
        assert stored(url) == expected(log, time.time_ns() // 1_000_000)


def test_a_first_load_whose_server_stops_in_any_of_its_parts_goes_on_once_it_is_back(
    ledger: Settings, stoppable: Stoppable, tmp_path: Path
) -> None:
    for part in PARTS:
        url = new_database(stoppable.address)
        upgrade(url)
        begun(ledger, url)
        with closing(SqlReadModels(url)) as models:
            assert reached(models) == 0
            with stopped_while(part, stoppable, url):
                process = projector(tmp_path, url, "run")
            with process:
                process.wait_until(lambda process=process: "trying again" in process.said(), PATIENCE_S, "it waits")
                assert "loading; the rows are there once all of them are" in process.said()
                assert "following" not in process.said()
                stoppable.start()
                process.wait_until(lambda process=process: "following" in process.said(), PATIENCE_S, "all is in place")
                assert process.stop() == 0
        all_rows_are_right(ledger, url)


def test_a_replay_whose_server_stops_leaves_the_old_rows_and_is_done_by_running_it_again(
    ledger: Settings, stoppable: Stoppable, tmp_path: Path, commands: Commands
) -> None:
    url = new_database(stoppable.address)
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", url)
    commands.json("db", "upgrade")
    events = commands.json("projector", "run", "--once")["events"]
    before = stored(url)
    begun(ledger, url)
    with stopped_while("making rows", stoppable, url):
        process = projector(tmp_path, url, "replay")
    with process:
        wait_until(lambda: process.code is not None, PATIENCE_S, "it ends")
    assert process.code == 3, process.said()
    assert "cannot be reached or written" in process.said()
    stoppable.start()
    assert stored(url) == before
    assert commands.json("projector", "replay") == {"events": events}
    all_rows_are_right(ledger, url)
