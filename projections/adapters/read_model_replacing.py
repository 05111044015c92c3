"""A second set of tables beside the live one: how it begins, gets its indexes, and takes the live one's place.

PostgreSQL: a schema beside, renamed in one transaction; a renaming takes no lock that a reader waits for, and the old
tables go afterwards, once nobody reads them. Rights go over to the new ones. SQLite: a file beside, copied into the
live one in one transaction.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

import sqlalchemy as sa

from projections.adapters.pseudonym_rows import Naming, are_shared, name_all
from projections.adapters.read_model_engine import LIVE, drop_unread, explained, file_of, reached
from projections.adapters.read_model_versions import upgrade
from projections.adapters.read_model_writing import hold_turns, is_postgres
from projections.adapters.read_models import MARKS, READ_MODELS, SECONDARY
from projections.adapters.sql_sharing import prepare

BESIDE: Final = f"{LIVE}_beside"
OLD: Final = f"{LIVE}_old"
MADE_BY: Final = "made by"
DROP_WITHIN_MS: Final = 5_000
Names = Callable[[], Naming] | None
"""Where pseudonyms come from, asked only where the read models were handed out."""


def place_beside(url: str) -> tuple[str, str]:
    """The URL and the schema of the set beside."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return parsed.set(database=f"{parsed.database}.beside").render_as_string(hide_password=False), LIVE
    return url, BESIDE


def begin_beside(url: str, made_by: str) -> None:
    """Makes the set beside, or leaves the one that a like run began as it is."""
    there, schema = place_beside(url)
    if _made_by(there, schema) == made_by:
        return
    drop_beside(url)
    upgrade(there, schema)
    with reached(there, schema) as engine, engine.execution_options(writes=True).begin() as connection:
        for index in SECONDARY:
            index.drop(connection, checkfirst=True)
        connection.execute(sa.insert(MARKS).values(name=MADE_BY, value=made_by))


def make_indexes(engine: sa.Engine) -> None:
    """Those that are missing."""
    with explained(engine), engine.execution_options(writes=True).begin() as connection:
        for index in SECONDARY:
            index.create(connection, checkfirst=True)
        if is_postgres(connection):
            connection.exec_driver_sql("ANALYZE")


def drop_beside(url: str) -> None:
    """Removes what is beside, if there is anything."""
    there, _schema = place_beside(url)
    path = file_of(there)
    if path is None:
        with reached(url) as engine:
            drop_unread(engine, (BESIDE, OLD), DROP_WITHIN_MS)
        return
    for end in ("-wal", "-shm", ""):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _made_by(url: str, schema: str) -> str | None:
    path = file_of(url)
    if path is not None and not path.exists():
        return None  # to connect would make the file
    with reached(url, schema) as engine, engine.connect() as connection:
        if not sa.inspect(connection).has_table(MARKS.name):
            return None
        found: str | None = connection.execute(sa.select(MARKS.c.value).where(MARKS.c.name == MADE_BY)).scalar()
        return found


def put_in_place(url: str, live: sa.Engine, finish: Callable[[], None], names: Names) -> None:
    """Puts the set beside in the place of the live one; `finish` runs while no turn can go on in the live one."""
    if live.dialect.name == "sqlite":
        _copy_over(url, live, finish)
        _name(live, names)
    else:
        with reached(*place_beside(url)) as beside:
            _name(beside, names)  # nearly all of them before anybody has to wait
        _rename(live, finish, names)
    drop_beside(url)


def _name(engine: sa.Engine, names: Names) -> None:
    with explained(engine), engine.execution_options(writes=True).begin() as connection:
        if names and are_shared(connection):
            name_all(connection, names())


def _copy_over(url: str, live: sa.Engine, finish: Callable[[], None]) -> None:
    """A transaction locks both files, so the new rows are brought up before it, until no turn came between."""
    there, _schema = place_beside(url)
    with explained(live), closing(live.raw_connection()) as connection:
        cursor = connection.cursor()
        while True:
            finish()
            cursor.execute("ATTACH ? AS beside", (sa.make_url(there).database,))
            try:
                if _copied(cursor):
                    return
            finally:
                cursor.execute("DETACH beside")


def _copied(cursor: Any) -> bool:  # noqa: ANN401  # the driver's own
    cursor.execute("BEGIN IMMEDIATE")
    try:
        is_behind = cursor.execute(_IS_BEHIND).fetchone() is not None
        for name in () if is_behind else READ_MODELS.tables:
            cursor.execute(f'DELETE FROM main."{name}"')  # noqa: S608  # a name of ours
            cursor.execute(f'INSERT INTO main."{name}" SELECT * FROM beside."{name}"')  # noqa: S608
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    return not is_behind


_IS_BEHIND: Final = """
    SELECT 1 FROM main.positions AS live LEFT JOIN beside.positions AS new ON new.partition = live.partition
    WHERE new."offset" IS NULL OR new."offset" < live."offset"
"""


def _rename(live: sa.Engine, finish: Callable[[], None], names: Names) -> None:
    with explained(live), live.begin() as connection:
        hold_turns(connection)
        finish()
        for statement in _rights(connection):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"ALTER SCHEMA {LIVE} RENAME TO {OLD}")
        connection.exec_driver_sql(f"ALTER SCHEMA {BESIDE} RENAME TO {LIVE}")
        if names and are_shared(connection):
            name_all(connection, names())
            prepare(connection)


def _rights(connection: sa.Connection) -> Iterator[str]:
    """What the live schema and its tables allow whom, said of the set beside."""
    quote = connection.dialect.identifier_preparer.quote
    for table, grantee, right in connection.exec_driver_sql(_RIGHTS, (LIVE, LIVE)):
        what = f"TABLE {BESIDE}.{quote(table)}" if table else f"SCHEMA {BESIDE}"
        yield f"GRANT {right} ON {what} TO {quote(grantee) if grantee else 'PUBLIC'}"
    for grantee, right in connection.exec_driver_sql(_DEFAULTS, (LIVE,)):
        yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {BESIDE} GRANT {right} ON TABLES TO {quote(grantee)}"


_RIGHTS: Final = """
    SELECT c.relname, r.rolname, a.privilege_type
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
    LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE n.nspname = %s AND c.relkind IN ('r', 'v') AND a.grantee <> c.relowner
    UNION ALL
    SELECT NULL, r.rolname, a.privilege_type
    FROM pg_namespace n, aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE n.nspname = %s AND a.grantee <> n.nspowner
"""
_DEFAULTS: Final = """
    SELECT r.rolname, a.privilege_type
    FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
    JOIN pg_roles r ON r.oid = a.grantee
    WHERE n.nspname = %s AND d.defaclobjtype = 'r' AND pg_get_userbyid(d.defaclrole) = current_user
"""
