"""Which revision of the tables a database has, and how it gets the newest: Alembic, in one transaction.

Whatever interrupts it, the database has the tables of before or of after, and a repetition goes on from there.
"""

from typing import Final, NamedTuple

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ledger.errors import NotALedgerError
from projections.adapters.analysis_views import drop_views
from projections.adapters.pseudonym_rows import are_shared
from projections.adapters.read_model_engine import LIVE, no_rights, reached
from projections.adapters.read_model_writing import comment_on, is_postgres
from projections.adapters.read_models import READ_MODELS
from projections.adapters.sql_sharing import give_rights, prepare
from projections.read_models import OtherVersionError

MIGRATIONS: Final = "projections.adapters:migrations"
ONE_AT_A_TIME: Final = 7_311_402_116
"""The number of PostgreSQL's lock that upgrades take; any, as long as it stays the same."""
VERSION: Final = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), comment="Its number."),
    comment="The revision that the tables have; kept by Alembic.",
)


class Upgraded(NamedTuple):
    """The revision that a database had (None: no tables yet), and the one that it has now."""

    before: str | None
    after: str


def upgrade(url: str, schema: str = LIVE, versions: str | None = None) -> Upgraded:
    """Brings the tables to the newest revision, with what is in them; makes them where there are none.

    `versions`: a further folder of revisions. Raises OtherVersionError for a database of a newer version, and as
    `explained` does.
    """
    config = _config(versions)
    with reached(url, schema) as engine, engine.execution_options(writes=True).begin() as connection:
        if is_postgres(connection):
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        before = _revision(connection, config, engine.url)
        config.attributes["connection"] = connection
        shared = schema == LIVE and before != _head(config) and are_shared(connection)
        if shared:
            drop_views(connection)  # or no column below them could change
        command.upgrade(config, "head")
        if shared:
            prepare(connection)
        elif is_postgres(connection) and schema == LIVE and before not in (None, _head(config)):
            give_rights(connection)  # of roles that were made before anything was handed out
        comment_on(connection, [*READ_MODELS.tables.values(), VERSION])
    return Upgraded(before, _head(config))


def check(url: str) -> None:
    """Whether the tables are of this version. Raises OtherVersionError where not, and as `explained` does."""
    config = _config()
    with reached(url) as engine, engine.connect() as connection:
        found = _revision(connection, config, engine.url)
    if found != _head(config):
        what = "no tables yet" if found is None else f"tables of the revision {found}, and {_head(config)} is newer"
        raise OtherVersionError(f"{_shown(engine.url)} has {what}; run prefledger db upgrade")


def _revision(connection: sa.Connection, config: Config, url: sa.URL) -> str | None:
    """The revision that the database has. Refuses one that this program does not know, and one of something else."""
    if is_postgres(connection):
        _check_rights(connection, url)
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        other = set(sa.inspect(connection).get_table_names()) & set(READ_MODELS.tables)
        if other:
            raise NotALedgerError(f"{_shown(url)} holds other tables ({', '.join(sorted(other))}); name another one")
    elif found not in {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}:
        raise OtherVersionError(
            f"{_shown(url)} has tables of a newer version ({found}) than this program, which knows up to "
            f"{_head(config)}; nothing was changed: use the newer program"
        )
    return found


def _check_rights(connection: sa.Connection, url: sa.URL) -> None:
    """Whether the role may see the tables at all: to one that may not they look as if there were none."""
    asked = "SELECT nspname FROM pg_namespace WHERE nspname = :live AND NOT has_schema_privilege(oid, 'USAGE')"
    if connection.execute(sa.text(asked), {"live": LIVE}).first():
        raise no_rights(url, f"permission denied for schema {LIVE}")


def _head(config: Config) -> str:
    head = ScriptDirectory.from_config(config).get_current_head()
    if head is None:
        raise LookupError("there is a newest revision")
    return head


def _config(versions: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    config.set_main_option("path_separator", "newline")
    own = f"{MIGRATIONS}/versions" if versions is None else f"{MIGRATIONS}/versions\n{versions}"
    config.set_main_option("version_locations", own)
    return config


def _shown(url: sa.URL) -> str:
    return f"the database {url.render_as_string(hide_password=True)}"
