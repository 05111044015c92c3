"""Roles of PostgreSQL for those who read and write the read models: idempotent SQL, to print or to apply.

Rights are given to roles that nobody logs in as; a login is a member of one. Limits are set on the login, since a role
does not hand them on to its members. A time limit keeps mistakes short and is no wall, since PostgreSQL lets everybody
lift their own: the rights are the wall, and the gate never asks this database.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import count

import sqlalchemy as sa

from projections.adapters.analysis_views import MASKED, view_name, views_of
from projections.adapters.read_model_engine import LIVE, engine_of, explained
from projections.adapters.read_models import READ_MODELS
from projections.adapters.sharing_tables import ANALYSIS, SHARING
from projections.sharing import ROLES, Limits, Role
from schemas.errors import InputError, shown

MASKED_NUMBERS_ROLE = "prefledger_masked_numbers"
LOGIN = re.compile(r"(?!pg_)[A-Za-z_][A-Za-z0-9_.@-]{0,62}")
WRITING = ("lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid, bytea)")
"""What lets everybody write into a database without a right to anything in it: large objects."""
SCHEMAS = (LIVE, SHARING, ANALYSIS)


class PostgresRoles:
    """The roles of the database at a SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        """Raises InputError where the database is none that has roles."""
        self._engine = engine_of(url)
        if self._engine.dialect.name != "postgresql":
            raise InputError(
                "a SQLite file has no roles: whoever can read the file reads all of it; set PREFLEDGER_DATABASE_URL to "
                "a PostgreSQL database"
            )
        self._database = self._engine.url.database or self._engine.url.username or "postgres"

    def roles(self) -> list[str]:
        """The SQL of `roles`."""
        return list(roles(self._database, self._engine.dialect))

    def grant(self, role: Role, login: str, limits: Limits, masked: bool) -> list[str]:
        """The SQL of `grant`. Raises InputError."""
        return list(grant(role, login, self._database, limits, masked))

    def apply(self, statements: Sequence[str]) -> None:
        """Runs them in one transaction. Raises UnavailableError, RefusedError."""
        as_printed = self._engine.execution_options(no_parameters=True)  # or a % in a name would be one
        with explained(self._engine), as_printed.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def close(self) -> None:
        """Lets go of the database."""
        self._engine.dispose()


def role_name(role: Role) -> str:
    """The role's name on the server."""
    return f"prefledger_{role}"


def roles(database: str, dialect: sa.Dialect) -> Iterator[str]:
    """The SQL that makes roles and schemas and gives each what it may do. For an administrator, as often as wanted."""
    owner, readers = role_name("projector"), f"{role_name('analyst')}, {role_name('auditor')}"
    name = _quoted(database)
    for role in (*map(role_name, ROLES), MASKED_NUMBERS_ROLE):
        yield _unless_there(role, "NOLOGIN")
    yield f"GRANT {owner} TO CURRENT_USER"  # or what it owns could not be given to it by who is no superuser
    yield f"REVOKE CREATE, TEMPORARY ON DATABASE {name} FROM PUBLIC"
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield f"GRANT CONNECT ON DATABASE {name} TO {readers}, {owner}"
    yield f"GRANT CREATE, TEMPORARY ON DATABASE {name} TO {owner}"  # a replay fills a schema of its own
    for function in WRITING:
        yield _if_allowed(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    for schema in SCHEMAS:
        yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
    yield from rights(dialect)


OWN_ALL = """DO $$ DECLARE one record; BEGIN
  IF to_regrole('{owner}') IS NULL OR NOT pg_has_role(current_user, to_regrole('{owner}'), 'MEMBER')
  THEN RETURN; END IF;
  FOR one IN SELECT nspname AS name FROM pg_namespace
    WHERE nspname IN ({schemas}) AND nspowner <> to_regrole('{owner}')
  LOOP EXECUTE 'ALTER SCHEMA ' || one.name || ' OWNER TO {owner}'; END LOOP;
  FOR one IN SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ({schemas}) AND c.relkind IN ('r', 'v') AND c.relowner <> to_regrole('{owner}')
  LOOP EXECUTE 'ALTER TABLE ' || one.name || ' OWNER TO {owner}'; END LOOP;
END $$"""
"""So that whatever an administrator made, too, is the projector's to change."""


def rights(dialect: sa.Dialect) -> Iterator[str]:
    """What each role may read, of the tables and views as they are now. Of roles or tables that are missing: nothing.

    Given again by whoever makes views or swaps tables, in the same transaction, so that no reader is shut out.
    """
    quote = dialect.identifier_preparer.quote
    yield OWN_ALL.format(owner=role_name("projector"), schemas=", ".join(f"'{schema}'" for schema in SCHEMAS))
    analyst, auditor = role_name("analyst"), role_name("auditor")
    for role in (analyst, auditor, MASKED_NUMBERS_ROLE):
        yield _if_there(role, _schema(ANALYSIS), f"GRANT USAGE ON SCHEMA {ANALYSIS} TO {role}")
    yield _if_there(auditor, _schema(LIVE), f"GRANT USAGE ON SCHEMA {LIVE} TO {auditor}")
    for name, _ in views_of(dialect):
        view = view_name(name, dialect)
        for role in (MASKED_NUMBERS_ROLE,) if name == MASKED else (analyst, auditor):
            yield _if_there(role, _relation(view), f"GRANT SELECT ON {view} TO {role}")
    for table in READ_MODELS.sorted_tables:
        name = f"{LIVE}.{quote(table.name)}"
        yield _if_there(auditor, _relation(name), f"GRANT SELECT ON {name} TO {auditor}")


def _unless_there(role: str, attributes: str) -> str:
    made = f'CREATE ROLE "{role}" {attributes}'
    return f"DO $$ BEGIN IF to_regrole('\"{role}\"') IS NULL THEN {made}; END IF; END $$"


def _if_there(role: str, what: str, statement: str) -> str:
    there = f"to_regrole('{role}') IS NOT NULL AND {what} IS NOT NULL"
    return f"DO $$ BEGIN IF {there} THEN {statement}; END IF; END $$"


def _schema(name: str) -> str:
    return f"to_regnamespace('{name}')"


def _relation(name: str) -> str:
    return f"to_regclass('{name}')"


def _quoted(name: str) -> str:
    """A name in SQL that is also printed: the dialect's own way doubles what its driver would take for a parameter."""
    return '"' + name.replace('"', '""') + '"'


def _if_allowed(statement: str) -> str:
    said = "'" + statement.replace("'", "''") + "'"
    body = IF_ALLOWED.format(statement=said)
    mark = next(mark for number in count() if (mark := f"${'_' * number}$") not in body)
    return f"DO {mark} {body} {mark}"


def grant(role: Role, login: str, database: str, limits: Limits, masked: bool) -> Iterator[str]:
    """The SQL that makes a login (without a password) a member of a role. Raises InputError for a name that is none.

    A superuser is refused: no right could be kept from it.
    """
    if not LOGIN.fullmatch(login):
        raise InputError(
            f"{shown(login)} is no name of a login: letters, digits and _ . @ -, not a digit first, nor pg_"
        )
    yield _unless_there(login, "LOGIN")
    yield REFUSE_SUPERUSER.format(login=login)
    yield f'GRANT {role_name(role)} TO "{login}"'
    here = f'ALTER ROLE "{login}" IN DATABASE {_quoted(database)} SET'
    if role == "projector":
        yield f"{here} role = '{role_name(role)}'"  # so that whatever it makes belongs to the role, not to one login
        return
    yield f'{"GRANT" if masked else "REVOKE"} {MASKED_NUMBERS_ROLE} {"TO" if masked else "FROM"} "{login}"'
    yield f'ALTER ROLE "{login}" CONNECTION LIMIT {limits.connections:d}'
    yield f"{here} default_transaction_read_only = on"
    yield f"{here} statement_timeout = '{limits.statement_s:d}s'"
    yield f"{here} idle_in_transaction_session_timeout = '{limits.idle_in_transaction_s:d}s'"
    yield f"{here} idle_session_timeout = '{limits.idle_s:d}s'"
    yield f"{here} search_path = {ANALYSIS}" + (f", {LIVE}" if role == "auditor" else "")
    yield _if_allowed(f"{here} temp_file_limit = '{limits.temp_file_mb:d}MB'")


REFUSE_SUPERUSER = """DO $$ BEGIN
  IF (SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = '{login}')
  THEN RAISE EXCEPTION 'the login {login} is an administrator: make one of its own'
    USING ERRCODE = 'insufficient_privilege'; END IF; END $$"""
IF_ALLOWED = """BEGIN EXECUTE {statement}; EXCEPTION WHEN insufficient_privilege THEN
  RAISE NOTICE 'left as it is, since only a superuser may: %', {statement}; END"""
