"""Views for analysts, generated from the tables' definitions: pseudonyms for references, times as times.

On PostgreSQL they are in the schema `analysis` and run with the rights of their owner, so that who may read them need
not, and may not, read a table. On SQLite they are named `analysis_…`. A view has the names of its table, so that a
query runs on both.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from projections.adapters.read_model_engine import LIVE, drop_unread
from projections.adapters.read_model_writing import is_postgres
from projections.adapters.read_models import MILLIS, READ_MODELS
from projections.adapters.sharing_tables import ANALYSIS, MASKED_NUMBERS, PSEUDONYMS, SHARING
from projections.sharing import HIDDEN, shown_as

Selected = sa.Select[*tuple[Any, ...]]
MASKED = "masked_numbers"
PREFIX = f"{ANALYSIS}_"
BESIDE, OLD = f"{ANALYSIS}_beside", f"{ANALYSIS}_old_"
DROP_WITHIN_MS = 2_000


def is_shown(table: sa.Table) -> bool:
    """Whether a table has a view."""
    return table.name not in HIDDEN and any(shown_as(column.name) for column in table.c)


def view_name(name: str, dialect: sa.Dialect, schema: str = ANALYSIS) -> str:
    """A view's name in SQL, quoted where need be, by the name of its table."""
    quote = dialect.identifier_preparer.quote
    return f"{schema}.{quote(name)}" if dialect.name == "postgresql" else quote(PREFIX + name)


def views_of(dialect: sa.Dialect) -> Iterator[tuple[str, Selected]]:
    """Every view: the name of its table, and what it selects."""
    for table in READ_MODELS.sorted_tables:
        if is_shown(table):
            yield table.name, _selected(table, dialect)
    masks = MASKED_NUMBERS.join(PSEUDONYMS, PSEUDONYMS.c.subject == MASKED_NUMBERS.c.subject)
    masked = sa.select(PSEUDONYMS.c.pseudonym.label("subject"), MASKED_NUMBERS.c.masked).select_from(masks)
    yield MASKED, masked.where(sa.func.trim(MASKED_NUMBERS.c.masked) != "")  # SQLite blanks what was erased


def _selected(table: sa.Table, dialect: sa.Dialect) -> Selected:
    columns: list[sa.ColumnElement[object]] = []
    source: sa.FromClause = table
    for column in table.c:
        match shown_as(column.name):
            case "person":
                # Left, so that a row is never missing, and PostgreSQL drops the join where nobody asks for the column.
                who = PSEUDONYMS.alias(f"of_{column.name}")
                source = source.outerjoin(who, who.c.subject == column)
                columns.append(who.c.pseudonym.label(column.name))
            case "time":
                columns.append(_time(column, dialect).label(column.name))
            case "plain":
                columns.append(column)
    return sa.select(*columns).select_from(source)


def _time(column: sa.Column[int], dialect: sa.Dialect) -> sa.ColumnElement[object]:
    if dialect.name == "postgresql":
        return sa.func.to_timestamp(sa.cast(column, sa.Double) / sa.literal_column("1000", sa.Double))
    # Seconds and milliseconds apart: SQLite's own %f rounds what a float cannot hold.
    name = f"{dialect.identifier_preparer.format_table(column.table)}.{dialect.identifier_preparer.quote(column.name)}"
    return sa.literal_column(
        f"strftime('%Y-%m-%dT%H:%M:%S', {name} / 1000, 'unixepoch') || printf('.%03dZ', {name} % 1000)"
    )


def drop_views(connection: sa.Connection) -> None:
    """Removes every view of ours, so that tables below them can change. Their rights go along: see `make_views`."""
    dialect = connection.dialect
    there = sa.inspect(connection)
    if is_postgres(connection):
        names = there.get_view_names(ANALYSIS) if ANALYSIS in there.get_schema_names() else []
    else:
        names = [name.removeprefix(PREFIX) for name in there.get_view_names() if name.startswith(PREFIX)]
    for name in names:
        connection.exec_driver_sql(f"DROP VIEW {view_name(name, dialect)}")


def make_views(connection: sa.Connection) -> None:
    """Makes every view anew over the tables as they are now, in the transaction of the connection.

    On PostgreSQL in a schema that takes the place of the old one by renaming: to replace a view itself would wait for
    whoever reads it, and all who come after for that. What is left of the old schema goes with `drop_old_views`.
    """
    on_postgres = is_postgres(connection)
    if on_postgres:
        connection.exec_driver_sql(f"CREATE SCHEMA {BESIDE}")
    else:
        drop_views(connection)
    for statement in statements(connection.dialect, BESIDE):
        connection.exec_driver_sql(statement)
    if on_postgres:
        if ANALYSIS in sa.inspect(connection).get_schema_names():
            turn = connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one()
            connection.exec_driver_sql(f"ALTER SCHEMA {ANALYSIS} RENAME TO {OLD}{turn}")
        connection.exec_driver_sql(f"ALTER SCHEMA {BESIDE} RENAME TO {ANALYSIS}")


def drop_old_views(engine: sa.Engine) -> None:
    """Removes schemas whose place was taken, on PostgreSQL; one that somebody still reads goes the next time."""
    old = [name for name in sa.inspect(engine).get_schema_names() if name.startswith(OLD)]
    drop_unread(engine, old, DROP_WITHIN_MS)


def statements(dialect: sa.Dialect, schema: str) -> Iterator[str]:
    """The SQL that makes the views, on PostgreSQL in a schema that is there, with comments."""
    on_postgres = dialect.name == "postgresql"
    for name, selected in views_of(dialect):
        view = view_name(name, dialect, schema)
        yield f"CREATE VIEW {view} AS {_sql(selected, dialect)}"
        if on_postgres:
            yield from _comments(view, READ_MODELS.tables.get(name, MASKED_NUMBERS), selected, dialect)


def _sql(selected: Selected, dialect: sa.Dialect) -> str:
    compiled = selected.compile(
        dialect=dialect,
        schema_translate_map={None: LIVE} if dialect.name == "postgresql" else {SHARING: None},
        render_schema_translate=True,
        compile_kwargs={"literal_binds": True},
    )
    return str(compiled)


def _comments(view: str, table: sa.Table, selected: Selected, dialect: sa.Dialect) -> Iterator[str]:
    quote = dialect.identifier_preparer.quote
    yield f"COMMENT ON VIEW {view} IS {_text(str(table.comment))}"
    for column in selected.selected_columns:
        said = str(table.c[str(column.key)].comment).replace(f" {MILLIS}", "").replace("Reference of", "Pseudonym of")
        yield f"COMMENT ON COLUMN {view}.{quote(str(column.key))} IS {_text(said)}"


def _text(said: str) -> str:
    quoted = said.replace("'", "''")
    return f"'{quoted}'"
