"""A real PostgreSQL that is stopped in the middle, comes back, has no connection left: nothing is lost or doubled."""

import logging
import sqlite3
from pathlib import Path
from random import Random
from threading import Event, Thread

import psycopg
import pytest
import sqlalchemy as sa

from consumers.projector.following import Projector
from ledger.errors import NoRoomError, UnavailableError
from projections.adapters.read_model_engine import database_url
from projections.adapters.read_model_versions import upgrade
from projections.adapters.sql_read_models import SqlReadModels
from projections.read_models import NoRightsError, OtherVersionError
from stack.processes import wait_until
from tests.consumers.projector.rows import expected, stored
from tests.consumers.projector.turns import turns_of
from tests.databases import new_database, stoppable_server
from tests.histories import START, history
from tests.projections.logged import entry, logged
from tests.room import no_file_larger_than

NOW = START + 500_000_000
WAL_SEGMENT = 16 << 20
PATIENCE_S = 60.0


def test_a_server_that_stops_and_comes_back_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns_of(9, monkeypatch)
    caplog.set_level(logging.WARNING)
    facts = history(Random(2), events=90, partitions=3).facts
    log, asked = logged(facts[:30], 3), Event()
    with stoppable_server(tmp_path / "data") as server:
        url = new_database(server.address)
        upgrade(url)
        models = SqlReadModels(url)
        follower = Thread(target=Projector(log, models, clock=lambda: NOW).follow, args=(asked,))
        follower.start()
        wait_until(lambda: reached(models) == 30, PATIENCE_S, "the rows have the first events")
        for number in range(30, 90, 30):
            server.stop()
            for place, fact in enumerate(facts[number : number + 30], number):
                log.append([entry(fact, place)])
            wait_until(lambda many=number: len(caplog.records) >= many // 30, PATIENCE_S, "it says that it waits")
            server.start()
            wait_until(lambda many=number: reached(models) == many + 30, PATIENCE_S, "the rows have what came")
        asked.set()
        follower.join()
        models.close()
        assert stored(url) == expected(log, NOW)
    assert all("cannot be reached" in record.message for record in caplog.records)


def reached(models: SqlReadModels) -> int:
    """How many events are in the rows; none while the server is not there yet."""
    try:
        return sum(place.offset for place in models.positions().values())
    except UnavailableError:
        return -1


def test_what_a_database_refuses_is_said_in_our_words(postgres_url: str) -> None:
    address = database_url(postgres_url)
    with psycopg.connect(address.set(drivername="postgresql").render_as_string(False), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS nobody_special")
        connection.execute("CREATE ROLE nobody_special LOGIN")
        poor = address.set(username="nobody_special").render_as_string(False)
        models = SqlReadModels(poor)
        with pytest.raises((NoRightsError, OtherVersionError)):
            models.positions()
        connection.execute("GRANT USAGE ON SCHEMA read_models TO nobody_special")
        with pytest.raises(NoRightsError, match="may not be used by this role"):
            models.positions()
        models.close()
        connection.execute("DROP OWNED BY nobody_special")
        connection.execute("ALTER ROLE nobody_special CONNECTION LIMIT 0")
        crowded = SqlReadModels(poor)
        with pytest.raises(UnavailableError, match="too many connections"):
            crowded.positions()
        connection.execute("DROP ROLE nobody_special")


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    log = logged(history(Random(2), events=60).facts)
    url = f"sqlite:///{tmp_path / 'read_models.db'}"
    upgrade(url)
    models = SqlReadModels(url)
    sa.event.listen(models._engine, "connect", _with_hardly_any_room)
    with pytest.raises(NoRoomError, match="no room"):
        Projector(log, models, clock=lambda: NOW).once()
    models.close()
    models = SqlReadModels(url)
    Projector(log, models, clock=lambda: NOW).once()
    models.close()
    assert stored(url) == expected(log, NOW)


JUNK = """
    INSERT INTO read_models.events (partition, "offset", event_id, type, kind, subject, occurred_at, received_at,
        recorded_at, actor_kind, actor, source, by_free_text, flags)
    SELECT 99, n, md5(n::text), 'x', 'x', md5(n::text), 0, 0, 0, repeat('x', 200), 'x', 'x', false, ''
    FROM generate_series(1, 50000) AS n
"""


def test_a_servers_full_disk_loses_nothing_and_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No file of the server's may grow: it meets the end of its room where the next page of a table would be."""
    caplog.set_level(logging.WARNING)
    log, asked = logged(history(Random(2), events=200).facts), Event()
    with stoppable_server(tmp_path / "data") as server:
        url = new_database(server.address)
        address = sa.make_url(url).set(drivername="postgresql").render_as_string(False)
        upgrade(url)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(JUNK)
            connection.execute("VACUUM read_models.events")
            [size] = connection.execute("SELECT pg_relation_size('read_models.events')").fetchone() or [0]
        assert size > WAL_SEGMENT, "or the server could not write its own log either"
        server.stop()
        with no_file_larger_than(size):
            server.start()
        models = SqlReadModels(url)
        with pytest.raises(NoRoomError, match="there is no room to write"):
            Projector(log, models, clock=lambda: NOW).once()
        follower = Thread(target=Projector(log, models, clock=lambda: NOW).follow, args=(asked,))
        follower.start()
        wait_until(
            lambda: any("there is no room" in record.getMessage() for record in caplog.records),
            PATIENCE_S,
            "it says so",
        )
        server.stop()
        server.start()
        wait_until(lambda: reached(models) == 200, PATIENCE_S, "the rows have all events")
        asked.set()
        follower.join()
        models.close()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DELETE FROM read_models.events WHERE partition = 99")
        assert stored(url) == expected(log, NOW)


def _with_hardly_any_room(connection: sqlite3.Connection, _record: object) -> None:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
