"""Who may do what on a real PostgreSQL: an analyst reads views and nothing else, and cannot reach any further."""

import time
from contextlib import ExitStack

import psycopg
import pytest
import sqlalchemy as sa

from consumers.bootstrap.ledger_log import open_ledger_log
from consumers.settings import load
from projections.adapters.postgres_roles import role_name, roles
from projections.adapters.read_model_engine import engine_of
from projections.adapters.read_model_versions import upgrade
from projections.adapters.read_models import READ_MODELS
from tests.consumers.commands import Commands
from tests.consumers.projector.handed_out import MASKED, TABLES, HandedOut, handed_out
from tests.consumers.projector.rows import expected, stored

DENIED, CANCELLED, TOO_MANY, READ_ONLY = "42501", "57014", "53300", "25006"
WRITABLE = "SET default_transaction_read_only = off"
CONNECTIONS = 8
"""More than a test has open at once: the server lets go of one a moment after it was closed."""
LIMITS = ("--statement-s", "1", "--connections", str(CONNECTIONS))


@pytest.fixture
def shared(commands: Commands, request: pytest.FixtureRequest) -> HandedOut:
    """The story on a server with roles; logins ana (analyst), lea (with masked numbers), otto (auditor)."""
    found = handed_out(
        commands,
        request,
        "postgresql",
        changed=any(w in request.node.name for w in ("keeps_everything", "nobody_waits")),
    )
    if not found.as_login("postgres", "SELECT 1 FROM pg_namespace WHERE nspacl::text LIKE '%prefledger_auditor%'"):
        apply(found, "db", "roles")
        apply(found, "db", "grant", "analyst", "ana", *LIMITS)
        apply(found, "db", "grant", "analyst", "lea", "--masked-numbers")
        apply(found, "db", "grant", "auditor", "otto")
    return found


def apply(shared: HandedOut, *command: str) -> None:
    """Runs a command of roles on the server."""
    assert shared.commands.json(*command, "--apply")["applied"]


def test_an_analyst_reads_every_view_by_its_bare_name(shared: HandedOut) -> None:
    for name in TABLES:
        [(count,)] = shared.as_login("ana", f"SELECT count(*) FROM {name}")
        assert [(count,)] == [tuple(row) for row in shared.rows(f"SELECT count(*) FROM {{base}}{name}")]


def test_an_analyst_reads_no_table_not_even_what_pseudonyms_stand_for(shared: HandedOut) -> None:
    for name in READ_MODELS.tables:
        assert shared.refused("ana", f"SELECT * FROM read_models.{name}") == DENIED
    for name in ("pseudonyms", "masked_numbers"):
        assert shared.refused("ana", f"SELECT * FROM sharing.{name}") == DENIED
    assert shared.refused("ana", "SELECT pg_read_file('PG_VERSION')") == DENIED


def test_masked_numbers_are_for_whom_they_were_granted_until_they_are_taken_away(shared: HandedOut) -> None:
    seen = "SELECT masked FROM masked_numbers"
    assert shared.refused("ana", seen) == DENIED
    assert shared.refused("otto", seen) == DENIED
    assert {masked for (masked,) in shared.as_login("lea", seen)} == MASKED
    apply(shared, "db", "grant", "analyst", "lea")
    assert shared.refused("lea", seen) == DENIED
    apply(shared, "db", "grant", "analyst", "lea", "--masked-numbers")


@pytest.mark.parametrize("login", ["ana", "lea", "otto"])
def test_no_reader_can_write_even_where_it_lifts_its_own_settings(shared: HandedOut, login: str) -> None:
    assert shared.refused(login, "CREATE TABLE analysis.mine (a int)") in (DENIED, READ_ONLY)
    for statement in (
        "DELETE FROM senders", "UPDATE senders SET state = 'verified'", "INSERT INTO senders (sender) VALUES ('x')",
        "CREATE TABLE mine (a int)", "CREATE TEMPORARY TABLE mine (a int)", "CREATE SCHEMA mine",
        "DELETE FROM read_models.events", "TRUNCATE read_models.events", "DROP VIEW senders", "SELECT lo_create(0)",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "COPY (SELECT 1) TO PROGRAM 'true'",
    ):  # fmt: skip
        assert shared.refused(login, WRITABLE, statement) == DENIED, statement


@pytest.mark.parametrize("login", ["ana", "lea", "otto"])
def test_no_reader_can_raise_its_own_reach(shared: HandedOut, login: str) -> None:
    for role in ("prefledger_projector", "postgres", "prefledger_masked_numbers"):
        if (login, role) != ("lea", "prefledger_masked_numbers"):
            assert shared.refused(login, WRITABLE, f"SET ROLE {role}") == DENIED
            assert shared.refused(login, WRITABLE, f"GRANT {role} TO {login}") == DENIED
    assert shared.refused(login, WRITABLE, f"ALTER ROLE {login} CREATEROLE") == DENIED
    assert shared.refused(login, WRITABLE, "ALTER ROLE ana CONNECTION LIMIT 100") == DENIED
    assert shared.refused(login, "SET temp_file_limit = -1") == DENIED


def test_who_may_read_may_not_hand_on(shared: HandedOut) -> None:
    shared.as_login("otto", WRITABLE, "GRANT SELECT ON read_models.events TO PUBLIC")  # a warning, and no more
    assert shared.refused("ana", "SELECT * FROM read_models.events") == DENIED


def test_a_long_query_is_cancelled_when_its_time_is_over_and_the_next_one_is_answered(shared: HandedOut) -> None:
    begun = time.monotonic()
    assert shared.refused("ana", "SELECT pg_sleep(30)") == CANCELLED
    assert time.monotonic() - begun < 10
    assert shared.as_login("ana", "SELECT 1") == [(1,)]


def test_a_login_has_so_many_connections_and_no_more(shared: HandedOut) -> None:
    url = shared.url_of("ana")
    with ExitStack() as opened:
        for _ in range(CONNECTIONS):
            opened.enter_context(psycopg.connect(url))
        with pytest.raises(psycopg.OperationalError, match="too many"):
            psycopg.connect(url)
        shared.use(url)
        found = shared.commands("db", "status")
    assert (found.code, "has no connection left" in found.err) == (3, True)


def test_nobody_waits_for_a_reader_who_does_not_end(shared: HandedOut) -> None:
    with psycopg.connect(shared.url_of("ana")) as reading:
        before = reading.execute(
            "SELECT count(*) FROM analysis.events"
        ).fetchone()  # and its locks are kept from now on
        begun = time.monotonic()
        shared.commands.json("projector", "replay")
        shared.commands.json("db", "share")
        assert time.monotonic() - begun < 30, "less than an idle transaction may last"
        assert reading.execute("SELECT count(*) FROM analysis.events").fetchone() == before
        assert shared.as_login("ana", "SELECT count(*) FROM analysis.events") == [before], (
            "others read the new views meanwhile"
        )
    shared.commands.json("db", "share")
    left = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'analysis%'"
    assert shared.as_login("postgres", left) == [("analysis",)]


def test_an_auditor_reads_the_tables_and_the_views_but_not_whom_pseudonyms_stand_for(shared: HandedOut) -> None:
    for name in READ_MODELS.tables:
        assert shared.as_login("otto", f"SELECT count(*) FROM read_models.{name}")
    assert shared.as_login("otto", "SELECT count(*) FROM events WHERE subject LIKE 'operator:%'")[0] > (0,)
    assert shared.refused("otto", "SELECT * FROM sharing.pseudonyms") == DENIED


def test_what_is_printed_is_what_is_applied_and_as_often_as_wanted(shared: HandedOut) -> None:
    rights = "SELECT relname, relacl::text FROM pg_class WHERE relacl::text LIKE '%prefledger%' ORDER BY oid"
    before = shared.as_login("postgres", rights)
    assert len(before) > len(TABLES)
    for command in (("db", "roles"), ("db", "grant", "analyst", "ana", *LIMITS)):
        printed = shared.commands(*command).out
        assert printed.rstrip().endswith(";")
        shared.as_login("postgres", printed)  # all of it at once, as psql would take the file
    assert shared.as_login("postgres", rights) == before


def test_the_projectors_login_keeps_everything_current_and_readers_keep_their_rights(shared: HandedOut) -> None:
    apply(shared, "db", "roles")
    for role, login in (("analyst", "ana"), ("auditor", "otto"), ("projector", "pia")):
        apply(shared, "db", "grant", role, login)
    shared.use(shared.url_of("pia"))
    shared.commands.json("revoke", "+14165550177")
    shared.project("--masked-numbers")
    shared.commands.json("projector", "replay")
    [(count,)] = shared.as_login("lea", "SELECT count(*) FROM analysis.masked_numbers")
    assert count == 4
    assert shared.as_login("ana", "SELECT count(DISTINCT subject) FROM analysis.events WHERE kind = 'number'") == [(4,)]
    assert shared.as_login("ana", "SELECT count(*) FROM analysis.events WHERE subject IS NULL") == [(0,)]
    assert shared.as_login("otto", "SELECT count(*) FROM read_models.events") != [(0,)]
    assert shared.refused("ana", "SELECT * FROM read_models.events") == DENIED, "the new tables are no wider open"
    assert shared.refused("pia", "CREATE ROLE more") == DENIED


def test_a_login_without_rights_is_told_what_it_lacks(shared: HandedOut) -> None:
    shared.use(shared.url_of("ana"))
    shared.commands.json("revoke", "+14165550177")
    for command in (("projector", "run", "--once"), ("db", "share"), ("db", "upgrade")):
        found = shared.commands(*command)
        assert found.code == 2, found
        assert "may not be used by this role" in found.err
        assert "db roles" in found.err
    shared.use(shared.url_of("nobody_made"))
    assert shared.commands("db", "share").code == 2


READS = (
    "GRANT USAGE ON SCHEMA read_models TO peg", "GRANT SELECT ON ALL TABLES IN SCHEMA read_models TO peg",
)  # fmt: skip


def test_a_projector_without_rights_writes_nothing_and_all_once_they_are_granted(
    commands: Commands, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in ("DROP ROLE IF EXISTS peg", "CREATE ROLE peg LOGIN", *READS):
            connection.execute(statement.encode())
    commands.lines("link", "FAMILY", "+14165550101", "+14165550102")
    commands.json("revoke", "account:FAMILY")
    as_peg = sa.make_url(postgres_url).set(username="peg").render_as_string(hide_password=False)
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", as_peg)
    for command in (("run", "--once"), ("replay",)):
        refused = commands("projector", *command)
        assert (refused.code, "may not be used by this role (permission denied" in refused.err) == (2, True), refused
    assert not any(stored(postgres_url).values())
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", postgres_url)
    for command in (("roles",), ("grant", "projector", "peg")):
        commands.json("db", *command, "--apply")
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", as_peg)
    for command in (("run", "--once"), ("replay",)):
        assert commands("projector", *command).code == 0
        with open_ledger_log(load()) as ledger:
            assert stored(postgres_url) == expected(ledger, time.time_ns() // 1_000_000)


def test_no_name_of_a_login_is_taken_for_sql_and_no_administrator_for_a_reader(shared: HandedOut) -> None:
    for login in ('x"; DROP TABLE read_models.events; --', "o'brien", "$$", "", "pg_monitor", "a b", "é", "a" * 64):
        found = shared.commands("db", "grant", "analyst", login, "--apply")
        assert (found.code, "no name of a login" in found.err) == (2, True), login
    found = shared.commands("db", "grant", "analyst", "postgres", "--apply")
    assert (found.code, "administrator" in found.err) == (2, True)


def test_a_file_has_no_roles_and_says_so(commands: Commands) -> None:
    found = commands("db", "roles")
    assert (found.code, "PREFLEDGER_DATABASE_URL" in found.err) == (2, True)


def test_an_upgrade_by_an_administrator_leaves_new_tables_to_the_projector_before_anything_is_shared(
    postgres_url: str,
) -> None:
    engine = engine_of(postgres_url)
    with engine.execution_options(no_parameters=True).begin() as connection:
        for statement in roles(str(engine.url.database), connection.dialect):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(
            "DROP TABLE account_groups, coming_changes, history_by_day"
        )  # what later revisions made
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    assert upgrade(postgres_url).before == "0001"
    with engine.connect() as connection:
        owners = connection.exec_driver_sql(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'read_models'"
        )
        assert owners.scalars().all() == [role_name("projector")]
    engine.dispose()
