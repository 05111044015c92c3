"""Injection attempts in every text and name that goes into a statement: it names itself, and nobody else."""

from collections.abc import Iterator
from contextlib import closing
from itertools import combinations
from random import Random

import orjson
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from consumers.projector import decisions
from consumers.projector.loading import load
from ledger.decisions import Stored
from projections.adapters import pseudonym_rows
from projections.adapters.analysis_views import view_name
from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_models import EVENTS
from projections.adapters.sharing_tables import PSEUDONYMS, schemas
from projections.adapters.sql_read_models import SqlReadModels, SqlTurn
from projections.adapters.sql_sharing import SqlSharing
from projections.rows.coverage import Alike
from projections.rows.flat import Row
from projections.sharing import is_time
from tests.consumers.commands import Commands
from tests.contracts.decisions import decision
from tests.databases import stored_rows
from tests.histories import START, history
from tests.projections.logged import logged

SEPARATED = ["a\x1fb", "\x1f"]
"""What several values are joined by on their way to PostgreSQL: these must not be taken for two."""
NASTY = [
    "'; DROP TABLE accounts; --", "x' OR '1'='1", '"; DELETE FROM states; --', "') UNION SELECT name FROM marks; --",
    "%", "_", "%s %(x)s :name $1", "a,b", "{a,b}", "NULL", "\\", "\\.", "a\tb\nc", '["a"]', "a;b", "é🎉", *SEPARATED,
]  # fmt: skip
BYSTANDERS = ["a", "b", "x", "name"]
EVERYWHERE = ("*", "*", "*")


def own(name: str) -> str:
    """The account of a contact's own, as nasty as its name."""
    return f"account of {name}"


@pytest.fixture
def turn(models: SqlReadModels) -> Iterator[SqlTurn]:
    """A turn in which every name has one row of each kind; what it leaves is committed."""
    with models.turn() as turn:
        for name in (*NASTY, *BYSTANDERS):
            account, event = own(name), f"event of {name}"
            turn.add("accounts", [(account, 7, 1)])
            turn.add("account_numbers", [(name, account, 5, None, "number")])
            said = (account, "*/*/*", 6, None, "account", *EVERYWHERE, "revoked", "own", event, 6)
            turn.add("preference_history", [said])
            held = (name, "*/*/*", "number", *EVERYWHERE, "revoked", "account", account, event, 6, None)
            turn.add("current_preferences", [held])
        yield turn


def asked_for() -> Iterator[list[str]]:
    """Each alone, some pairs of them, and all at once."""
    yield from ([name] for name in NASTY)
    yield from map(list, combinations([*SEPARATED, "a", "%"], 2))
    yield NASTY


def test_what_is_asked_for_is_found_and_nothing_else(turn: SqlTurn) -> None:
    for names in asked_for():
        accounts = list(map(own, names))
        assert turn.memberships(names) == {name: [own(name)] for name in names}
        assert turn.members_of(accounts) == set(names)
        assert turn.accounts_of(names) == set(accounts)
        assert turn.heard_of(accounts) == dict.fromkeys(accounts, 7)
        assert turn.opted_out(accounts, 6) == {account: {"*/*/*": 6} for account in accounts}
        assert turn.opted_out(accounts, 5) == {}
        alike = [Alike((("*/*/*", "revoked"),), 1)]
        assert dict(turn.members_alike(accounts)) == dict.fromkeys(accounts, alike)
        assert set(turn.rows("accounts", "subject", accounts)) == {(account, 7, 1) for account in accounts}
        assert turn.memberships(accounts) == {} == turn.heard_of(names)


def test_what_is_left_or_removed_is_its_own_and_nobody_elses(turn: SqlTurn) -> None:
    everybody = {(own(name), 7, 1) for name in (*NASTY, *BYSTANDERS)}
    for name in NASTY:
        account = own(name)
        assert set(turn.leave("accounts", "subject", [account], [(account, 7, 2)]).before) == {(account, 7, 1)}
        found = turn.rows("accounts", "subject", [own(one) for one in (*NASTY, *BYSTANDERS)])
        assert set(found) == everybody - {(account, 7, 1)} | {(account, 7, 2)}
        turn.leave("accounts", "subject", [account], [(account, 7, 1)])
    for names in ([name] for name in NASTY):
        turn.remove("account_numbers", "subject", names)
        assert turn.memberships(names) == {}
    assert set(turn.memberships(BYSTANDERS)) == set(BYSTANDERS)
    assert set(turn.leave("accounts", "subject", list(map(own, NASTY)), []).before) == everybody - {
        (own(name), 7, 1) for name in BYSTANDERS
    }
    assert turn.all_accounts() == set(map(own, BYSTANDERS))


class Log:
    """A log of decisions in which anybody may have written anything."""

    def __init__(self, values: list[bytes]) -> None:
        self._values = values

    def scan(self, since: int = 0, until: int | None = None) -> Iterator[Stored]:
        assert until is None
        yield from (Stored(START, bytes(16), value) for value in self._values if since <= START)


def test_a_decision_of_a_nasty_gateway_or_reason_is_none_and_a_nasty_channel_is_a_channel(
    models: SqlReadModels, url: str
) -> None:
    texts = [*NASTY, "nul\0here"]
    values = [decision(channel=text, purpose=text).model_dump_json().encode() for text in texts]
    for field in ("gateway", "reason"):
        for text in texts:
            said = decision().model_dump(mode="json") | {field: text}
            values.append(orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS))
    values.append(decision().model_dump_json().encode())
    decisions.look(Log(values), models, clock=lambda: START)
    rows = stored_rows(url, "decisions")
    assert {row.gateway for row in rows} == {"sms-1", "NULL"}, "which is a name as good as any"
    assert {row.reason for row in rows} == {"revoked_by_number"}
    offers = ("sms", "marketing.offers")
    wanted = {(text.replace("\0", "\ufffd"),) * 2 for text in texts} | {offers}
    assert {(row.channel, row.purpose) for row in rows} == wanted
    assert [row.count for row in rows] == [1] * (len(wanted) + 1)


@pytest.fixture
def sharing(url: str) -> Iterator[SqlSharing]:
    """The views, over rows in which every nasty name is a contact and speaks for itself."""
    with closing(SqlSharing(url)) as sharing, closing(SqlReadModels(url, naming=lambda: named)) as models:
        sharing.prepare()
        with models.turn() as turn:
            turn.add("account_numbers", [(name, own(name), 5, None, "number") for name in (*NASTY, *BYSTANDERS)])
            turn.add("events", [said_by(name, place) for place, name in enumerate((*NASTY, *BYSTANDERS))])
        yield sharing


def named(ref: str) -> str:
    """Its pseudonym."""
    return f"who is called {ref}"


def said_by(actor: str, place: int) -> Row:
    """An event of the operator's own that somebody recorded, by a code."""
    said = {"partition": 0, "offset": place, "subject": "operator:traffic", "actor": actor, "by_free_text": False}
    blank = {column.name: None if column.nullable else 0 if is_time(column.name) else "x" for column in EVENTS.c}
    return tuple((blank | said).values())


def pseudonyms(url: str) -> dict[str, str]:
    """By whom they stand for."""
    engine = engine_of(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(PSEUDONYMS), execution_options=schemas(connection)).all()
    engine.dispose()
    return {row.subject: row.pseudonym for row in rows}


def test_everybody_has_a_pseudonym_of_their_own_however_they_are_called(
    url: str, sharing: SqlSharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudonym_rows, "PAGE", 3)
    everybody = {*NASTY, *BYSTANDERS, "operator:traffic", *map(own, (*NASTY, *BYSTANDERS))}
    assert pseudonyms(url) == {ref: named(ref) for ref in everybody}, "given in the turn"
    assert sharing.name(named) == 0
    assert sharing.name(lambda ref: f"another {ref}", anew=True) == len(everybody), "and page by page"
    assert pseudonyms(url) == {ref: f"another {ref}" for ref in everybody}
    engine = engine_of(url)
    with engine.connect() as connection:
        seen = connection.exec_driver_sql(f"SELECT actor FROM {view_name('events', engine.dialect)}").scalars().all()
    engine.dispose()
    assert sorted(seen) == sorted(f"another {name}" for name in (*NASTY, *BYSTANDERS))


def test_who_is_masked_or_erased_is_so_alone(sharing: SqlSharing) -> None:
    everybody = [*NASTY, *BYSTANDERS]
    assert sharing.without_mask(everybody) == everybody
    sharing.keep_masks({name: f"mask of {name}" for name in everybody})
    assert sharing.without_mask(everybody) == []
    for place, name in enumerate(NASTY, 1):
        assert sharing.erase([name]) == 1
        assert sharing.without_mask(everybody) == NASTY[:place]
    assert sharing.erase(NASTY) == 0
    assert sharing.erase(BYSTANDERS) == len(BYSTANDERS)


NAMES = ['a"b', "50%", "%s %(x)s", "o'brien", "$$ $_$", 'x"; DROP SCHEMA read_models CASCADE; --']


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_database_is_one_in_what_is_printed_and_in_what_is_applied(
    commands: Commands, server: str, name: str
) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", url)
    commands.json("db", "upgrade")
    engine = engine_of(url, "pg_catalog").execution_options(no_parameters=True)
    for command in (("roles",), ("grant", "analyst", "ana_of_many", "--statement-s", "7")):
        printed = commands("db", *command).out
        with engine.begin() as connection:
            connection.exec_driver_sql(printed)  # all of it at once, as psql would take the file
        commands.json("db", *command, "--apply")
    with engine.connect() as connection:
        [found] = connection.exec_driver_sql(SET_HERE).scalars().all()
        assert connection.exec_driver_sql("SELECT to_regnamespace('read_models') IS NOT NULL").scalar()
        assert (
            connection.exec_driver_sql("SELECT has_database_privilege('public', current_database(), 'TEMP')").scalar()
            is False
        )
    engine.dispose()
    assert {"statement_timeout=7s", "temp_file_limit=2048MB"} <= set(found)


SET_HERE = """
    SELECT s.setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE d.datname = current_database() AND s.setrole = to_regrole('ana_of_many')
"""


def test_a_grantee_keeps_rights_on_rows_made_anew_however_it_is_called(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection, closing(SqlReadModels(postgres_url)) as models:
        for name in NAMES:
            role = sql.Identifier(name)
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {0}; CREATE ROLE {0}").format(role))
            connection.execute(sql.SQL("GRANT SELECT ON read_models.events TO {}").format(role))
        load(logged(history(Random(1), events=9).facts), models, clock=lambda: START + 500_000_000)
        for name in NAMES:
            asked = "SELECT has_table_privilege(%s, 'read_models.events', 'SELECT')"
            assert connection.execute(asked, [name]).fetchone() == (True,), name
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(name)))
