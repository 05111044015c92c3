"""`db` and `projector` as an operator types them, on a database of each kind."""

import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa

from projections.adapters import dictionary
from projections.adapters.read_model_engine import database_url
from projections.adapters.read_model_versions import upgrade
from projections.adapters.read_models import READ_MODELS
from projections.adapters.sharing_tables import METADATA
from projections.adapters.sql_sharing import SqlSharing
from stack.processes import LOOPBACK
from tests.consumers.commands import Commands
from tests.databases import new_database, stored_rows


@pytest.fixture
def projecting(commands: Commands, empty_url: str) -> Commands:
    """The command line, with a database for read models."""
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", empty_url)
    return commands


def test_what_is_recorded_is_in_the_tables_after_one_run(projecting: Commands, empty_url: str) -> None:
    projecting.lines("link", "account:FAMILY", "+14165550101", "+14165550102")
    said = projecting.json("revoke", "account:FAMILY")
    projecting.json("db", "upgrade")
    assert projecting("db", "status").code == 1
    events = projecting.json("projector", "run", "--once")["events"]
    assert events == len(stored_rows(empty_url, "events")) > 3
    rows = stored_rows(empty_url, "current_preferences")
    assert {(row.state, row.level, row.event_id) for row in rows} == {("revoked", "account", said["event_id"])}
    assert [tuple(row)[2:] for row in stored_rows(empty_url, "accounts")] == [(2,)]
    [coverage] = stored_rows(empty_url, "account_coverage")
    assert (coverage.numbers, coverage.covered, coverage.uncovered) == (2, 2, 0)
    assert projecting.json("projector", "run", "--once") == {"events": 0}
    assert projecting.json("db", "status")["events_behind"] == 0


def test_the_status_of_an_account_names_its_contacts_once_there_are_read_models(projecting: Commands) -> None:
    projecting.lines("link", "account:FAMILY", "+14165550101", "email:ann@example.org", "+14165550103")
    assert "contacts" not in projecting.json("status", "account:FAMILY")
    projecting.json("unlink", "account:FAMILY", "+14165550103")
    projecting.json("db", "upgrade")
    projecting.json("projector", "run", "--once")
    found = projecting.json("status", "account:FAMILY")["contacts"]
    assert sorted(one["contact"] for one in found) == ["+1416•••0101", "a•••@example.org"]
    said = projecting("status", "account:FAMILY").out
    assert "contacts, 2 as the read models had it" in said
    assert "said for the account" in said
    assert "member since" not in said
    assert "contacts" not in projecting.json("status", "+14165550101")


def away(_server: str) -> str:
    """An address at which nobody answers."""
    return "postgresql://me@127.0.0.1:1/none"


def of_another_kind(_server: str) -> str:
    """An address of what holds no read models."""
    return "mysql://me@127.0.0.1/none"


def newer(server: str) -> str:
    """A database that a later program has upgraded."""
    return _after(server, "UPDATE read_models.alembic_version SET version_num = '9999'")


def without_rights(server: str) -> str:
    """The address for a login that nothing was granted to."""
    url = _after(server, "DROP ROLE IF EXISTS looks_on", "CREATE ROLE looks_on LOGIN")
    return sa.make_url(url).set(username="looks_on").render_as_string(hide_password=False)


def _after(server: str, *statements: str) -> str:
    url = new_database(server)
    upgrade(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    return url


@pytest.mark.parametrize(
    ("made", "why", "what_to_do"),
    [
        (away, "127.0.0.1:1/none cannot be reached", "repeat once they can"),
        (of_another_kind, "of the kind 'mysql'", "it must be sqlite or postgresql"),
        (new_database, "has no tables yet", "run prefledger db upgrade"),
        (newer, "newer version (9999)", "use the newer program"),
        (without_rights, "may not be used by this role", "run prefledger db roles --apply"),
    ],
)
def test_a_status_says_why_it_names_no_contacts_and_tells_all_else(
    commands: Commands, server: str, made: Callable[[str], str], why: str, what_to_do: str
) -> None:
    commands.lines("link", "account:FAMILY", "+14165550101")
    event_id = commands.json("revoke", "account:FAMILY")["event_id"]
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", made(server))
    answer = commands("status", "account:FAMILY", "--json")
    assert answer.code == 0
    assert "contacts" not in answer.document
    assert event_id in answer.out
    [line] = answer.err.splitlines()
    assert line.startswith("prefledger: the contacts of the account are left out: ")
    assert why in line
    assert what_to_do in line


def test_tables_that_were_not_made_yet_are_named_with_what_to_do(projecting: Commands, empty_url: str) -> None:
    projecting.json("revoke", "+14165550101")
    answer = projecting("projector", "run", "--once")
    if empty_url.startswith("sqlite"):
        assert answer.code == 0
        return
    assert answer.code == 2
    assert "run prefledger db upgrade" in answer.err


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(projecting: Commands, empty_url: str) -> None:
    projecting.json("revoke", "+14165550101")
    projecting.json("db", "upgrade")
    engine = sa.create_engine(database_url(empty_url))
    schema = "" if empty_url.startswith("sqlite") else "read_models."
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {schema}alembic_version SET version_num = '9999'")
    engine.dispose()
    for command in (("db", "upgrade"), ("projector", "run", "--once"), ("db", "status")):
        answer = projecting(*command)
        assert answer.code == 2
        assert "newer version (9999)" in answer.err


def test_a_file_of_something_else_is_refused(commands: Commands) -> None:
    path = commands.home.parent / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE states (key TEXT)")
    other.close()
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", f"sqlite:///{path}")
    answer = commands("db", "upgrade")
    assert answer.code == 2
    assert "other tables" in answer.err


@pytest.mark.parametrize("url", ["mysql://x/y", "no url", "sqlite://", "postgresql+nothing"])
def test_an_address_that_is_none_is_explained(commands: Commands, url: str) -> None:
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", url)
    answer = commands("db", "upgrade")
    assert answer.code == 2
    assert "PREFLEDGER_DATABASE_URL" in answer.err


def test_a_server_that_is_away_is_named_without_its_password(commands: Commands) -> None:
    commands.environment.setenv("PREFLEDGER_DATABASE_URL", "postgresql://me:geheim@127.0.0.1:1/ledger")
    answer = commands("db", "upgrade")
    assert answer.code == 3
    assert "127.0.0.1:1" in answer.err
    assert "geheim" not in answer.err


def test_every_table_and_column_says_what_it_means() -> None:
    for table in (*READ_MODELS.tables.values(), *METADATA.tables.values()):
        assert table.comment, table
        assert all(column.comment for column in table.columns), table
    assert dictionary.PAGE.read_text("utf-8") == dictionary.page()


NOT_COMMENTED = """
    SELECT n.nspname, c.relname, a.attname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'v')
      AND (coalesce(obj_description(c.oid, 'pg_class'), '') = '' OR coalesce(col_description(c.oid, a.attnum), '') = '')
"""
SEEN = """
    SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('read_models', 'sharing')
    UNION ALL SELECT schemaname, viewname FROM pg_views WHERE schemaname = 'analysis'
"""


def test_a_servers_own_tools_show_what_every_table_view_and_column_means(postgres_url: str) -> None:
    with closing(SqlSharing(postgres_url)) as sharing:
        sharing.prepare()
    with psycopg.connect(postgres_url) as connection:
        seen = {tuple(row) for row in connection.execute(SEEN)}
        assert {("read_models", name) for name in READ_MODELS.tables} < seen
        assert {("sharing", name) for name in ("pseudonyms", "masked_numbers")} < seen
        assert {("analysis", name) for name in ("events", "current_preferences", "masked_numbers")} < seen
        assert connection.execute(NOT_COMMENTED).fetchall() == []


def test_the_database_has_the_tables_columns_and_comments_of_this_version(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from projections.adapters.read_model_engine import engine_of

    engine = engine_of(url)
    with engine.connect() as connection:
        options = {"compare_type": True, "target_metadata": READ_MODELS}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), READ_MODELS)
    engine.dispose()
    kinds = {one[0] if isinstance(one, tuple) else one[0][0] for one in found}
    assert kinds <= ({"modify_comment", "add_table_comment"} if url.startswith("sqlite") else set()), found


def test_a_port_that_somebody_else_has_is_named(commands: Commands) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        answer = commands("projector", "run", "--metrics-port", str(port))
    assert (answer.code, f"127.0.0.1:{port} cannot be listened on" in answer.err) == (2, True)
