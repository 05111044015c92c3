"""`load` and `projector replay`: the same rows, put in place in one step that no reader sees half done."""

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from threading import Event, Thread

import pytest
import sqlalchemy as sa

from consumers.projector import loading
from consumers.projector.following import Projector
from consumers.projector.loading import MADE_WITH, fold_all, load
from ledger.adapters.memory_log import MemoryLog
from ledger.log import Entry
from projections.adapters.analysis_views import view_name
from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_model_replacing import BESIDE, OLD
from projections.adapters.sql_read_models import SqlReadModels
from projections.adapters.sql_sharing import SqlSharing
from projections.pseudonyms import Pseudonyms
from schemas.encoding import encode
from schemas.scope import Scope
from tests.consumers.projector.rows import expected, stored
from tests.histories import START, history, make_event
from tests.projections.logged import entry, logged

NOW = START + 500_000_000


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches so small that a short history takes many."""
    monkeypatch.setattr(loading, "LARGE", 7)


def a_log(seed: int, events: int = 60) -> MemoryLog:
    """A history on three partitions."""
    return logged(history(Random(seed), events=events, partitions=3).facts, 3)


def quiet(_events: int, _lag: object) -> None:
    """Tells nobody."""


@pytest.mark.usefixtures("small")
def test_rows_that_are_loaded_are_those_of_one_fold_and_go_on_from_there(url: str, models: SqlReadModels) -> None:
    facts = history(Random(5), events=90, partitions=3).facts
    log = logged(facts[:60], 3)
    assert load(log, models, clock=lambda: NOW) == 60
    assert stored(url) == expected(log, NOW)
    for number, fact in enumerate(facts[60:], 60):
        log.append([entry(fact, number)])
    Projector(log, models, clock=lambda: NOW).once()
    assert stored(url) == expected(log, NOW)
    assert load(log, models, clock=lambda: NOW) == 90
    assert stored(url) == expected(log, NOW)


@pytest.mark.usefixtures("small")
def test_a_load_that_is_cut_short_anywhere_goes_on_where_it_was(url: str, models: SqlReadModels) -> None:
    log, turns = a_log(6), 0
    told: list[int] = []

    def cut_short(events: int, _lag: object) -> None:
        told.append(events)
        if len(told) in (2, 5):
            raise KeyboardInterrupt

    while True:
        try:
            load(log, models, cut_short, clock=lambda: NOW)
            break
        except KeyboardInterrupt:
            turns += 1
    assert turns == 2
    assert sum(told) == 60
    assert stored(url) == expected(log, NOW)


@pytest.mark.usefixtures("small")
def test_what_another_program_began_is_not_gone_on_with(
    url: str, models: SqlReadModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, log = a_log(7), a_log(8)
    began = models.beside(MADE_WITH)
    fold_all(other, began, quiet, lambda: NOW)
    began.close()
    monkeypatch.setattr(loading, "MADE_WITH", "rows of another kind")
    load(log, models, clock=lambda: NOW)
    assert stored(url) == expected(log, NOW)


@pytest.mark.usefixtures("small")
def test_a_reader_never_sees_a_row_less_while_all_are_made_anew_and_more_come(url: str, models: SqlReadModels) -> None:
    facts = history(Random(9), events=70, partitions=3).facts
    log = logged(facts[:40], 3)
    projector = Projector(log, models, clock=lambda: NOW)
    projector.once()
    ended, counts = Event(), list[tuple[int, int]]()
    readers = [Thread(target=lambda: counts.extend(_counted(url, ended))) for _ in range(1)]
    for reader in readers:
        reader.start()
    try:
        for number, fact in enumerate(facts[40:], 40):
            log.append([entry(fact, number)])
            if number in (48, 60):
                load(log, models, clock=lambda: NOW)
            elif number % 6 == 0:
                projector.once()
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    projector.once()
    assert len(counts) > 10
    assert all(events == states for events, states in counts), "events and positions are of one moment"
    assert stored(url) == expected(log, NOW)


def _counted(url: str, ended: Event) -> Iterator[tuple[int, int]]:
    """Counts as fast as it can; each count at least the one before it, and as many as the positions say."""
    engine, before = engine_of(url), 0
    query = sa.text('SELECT (SELECT count(*) FROM events), (SELECT sum("offset") FROM positions)')
    while not ended.wait(0.005):
        with engine.connect() as connection:
            events, reached = connection.execute(query).one()
        assert events >= before
        before = events
        yield events, int(reached)
    engine.dispose()


def more_in(log: MemoryLog, rng: Random, events: int) -> None:
    """Links and opt-outs only, of numbers that nobody spoke of before: no count of what holds can ever fall."""
    start = sum(log.ends().values())
    for place in range(start, start + events):
        number, account = f"{place:032x}", f"{0xACC0000 + rng.randrange(1 + place // 3):032x}"
        kind, subject, said = rng.choice([
            ("ContactLinked", number, {"kind": "number", "account": account}),
            ("PreferenceRevoked", number, {"kind": "number", "scope": Scope()}),
            ("PreferenceRevoked", account, {"kind": "account", "scope": Scope(purpose="marketing")}),
        ])  # fmt: skip
        event_id, key = f"00000000-0000-7000-8000-{place:012x}", f"{place:032x}"
        event = make_event(
            kind, subject=subject, event_id=event_id, idempotency_key=key, occurred_at=START, **said
        )  # fmt: skip
        log.append([Entry(subject, encode(event), event_id, key, event.content)])


ALL_THAT_ONLY_GROW = ("events", "current_preferences", "accounts", "account_numbers", "preference_history")


@pytest.mark.usefixtures("small")
def test_no_count_of_what_holds_ever_goes_backwards_while_nothing_is_taken_back(
    url: str, models: SqlReadModels
) -> None:
    log, rng, ended, counts = MemoryLog(3, clock=lambda: START), Random(11), Event(), list[tuple[int, ...]]()
    more_in(log, rng, 40)
    projector = Projector(log, models, clock=lambda: NOW)
    projector.once()
    reader = Thread(target=lambda: counts.extend(_all_counted(url, ended)))
    reader.start()
    try:
        for turn in range(12):
            more_in(log, rng, 6)
            if turn in (3, 7, 10):
                load(log, models, clock=lambda: NOW)
            else:
                projector.once()
    finally:
        ended.set()
        reader.join()
    assert stored(url) == expected(log, NOW)
    assert len(counts) > 10
    for before, after in pairwise(counts):
        assert all(one <= other for one, other in zip(before, after, strict=True)), (ALL_THAT_ONLY_GROW, before, after)
    assert all(first < last for first, last in zip(counts[0], counts[-1], strict=True)), "each of them grew"


def _all_counted(url: str, ended: Event) -> Iterator[tuple[int, ...]]:
    """Counts of several tables at one moment, as fast as it can."""
    engine = engine_of(url)
    query = sa.text("SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in ALL_THAT_ONLY_GROW))
    while not ended.wait(0.005):
        with engine.connect() as connection:
            yield tuple(connection.execute(query).one())
    engine.dispose()


def test_rights_and_comments_are_those_of_before_and_nothing_is_left_over(postgres_url: str) -> None:
    engine = engine_of(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS reader")
        connection.exec_driver_sql("CREATE ROLE reader")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA read_models TO reader")
        connection.exec_driver_sql("GRANT SELECT ON events TO reader")
    models = SqlReadModels(postgres_url)
    load(a_log(3), models, clock=lambda: NOW)
    models.close()
    with engine.begin() as connection:
        there = sa.inspect(connection)
        assert not {BESIDE, OLD} & set(there.get_schema_names())
        assert there.get_table_comment("events")["text"]
        connection.exec_driver_sql("SET LOCAL ROLE reader")
        assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar() == 60
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY reader")
        connection.exec_driver_sql("DROP ROLE reader")
    engine.dispose()


def test_views_that_were_handed_out_show_the_new_rows_under_pseudonyms(url: str) -> None:
    sharing = SqlSharing(url)
    sharing.prepare()
    sharing.close()
    models = SqlReadModels(url, naming=lambda: Pseudonyms(bytes(32)).of)
    load(a_log(3), models, clock=lambda: NOW)
    models.close()
    engine = engine_of(url)
    view = view_name("events", engine.dialect)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT subject FROM {view}").scalars().all()
    engine.dispose()
    assert len(rows) == 60
    assert None not in rows
    assert not {row[5] for row in stored(url)["events"] if not row[5].startswith("operator")} & set(rows)
