"""The two ways of writing many rows and of naming many keys: COPY and arrays on PostgreSQL, JSON lists on SQLite; and
of saying what a table means."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from projections.rows.flat import Row

SEPARATOR: Final = "\x1f"


def is_postgres(connection: sa.Connection) -> bool:
    """Which of the two it is."""
    return connection.dialect.name == "postgresql"


def hold_turns(connection: sa.Connection) -> None:
    """Waits until no turn goes on, and lets none begin before the transaction ends; readers do not ask for this lock.

    SQLite has taken its own at BEGIN.
    """
    if is_postgres(connection):
        connection.exec_driver_sql("LOCK TABLE positions IN EXCLUSIVE MODE")


def among(
    connection: sa.Connection, column: sa.Column[Any], values: Collection[str] | Collection[int]
) -> sa.ColumnElement[bool]:
    """Whether a column is one of any number of values, which go in as one."""
    if is_postgres(connection):
        return column == sa.any_(sa.cast(_array([str(value) for value in values]), postgresql.ARRAY(column.type)))
    listed = sa.func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def _array(values: Collection[str]) -> sa.ColumnElement[Any]:
    """One text that the server takes apart: of thousands of references a driver's own array costs ten times as much."""
    joined = SEPARATOR.join(values)
    if joined.count(SEPARATOR) == len(values) - 1:
        return sa.func.string_to_array(joined, SEPARATOR)
    return sa.literal(list(values), postgresql.ARRAY(sa.Text))


def place_of(connection: sa.Connection) -> sa.ColumnClause[Any]:
    """Where a row lies, as long as nobody changes it."""
    return sa.literal_column("ctid" if is_postgres(connection) else "rowid")


def remove_at(connection: sa.Connection, table: sa.Table, places: Collection[Any]) -> None:
    """Removes the rows that lie there."""
    if not places:
        return
    if is_postgres(connection):
        listed, among_them = ";".join(places), "ctid = ANY (CAST(string_to_array(:places, ';') AS tid[]))"
    else:
        listed, among_them = orjson.dumps(list(places)).decode(), "rowid IN (SELECT value FROM json_each(:places))"
    connection.execute(sa.delete(table).where(sa.text(among_them).bindparams(places=listed)))


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Adds rows, in the order of the table's columns."""
    if not rows:
        return
    if is_postgres(connection):
        _copy(connection, table, rows)
        return
    marks = ", ".join("?" * len(table.columns))
    connection.exec_driver_sql(f"INSERT INTO {_named(connection, table)} VALUES ({marks})", list(rows))  # noqa: S608


def _copy(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    driver = connection.connection.driver_connection
    if driver is None:
        raise TypeError("a connection that is in use has a driver's")
    statement = f"COPY {_named(connection, table)} ({_columns(connection, table)}) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def comment_on(connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
    """What each table and column means, for whoever looks with the database's own tools. SQLite keeps no comments."""
    if not is_postgres(connection):
        return
    said: list[sa.schema.DDLElement] = []
    for table in tables:
        said += [sa.schema.SetTableComment(table), *map(sa.schema.SetColumnComment, table.columns)]
    connection.exec_driver_sql(";".join(str(one.compile(dialect=connection.dialect)) for one in said))


def _named(connection: sa.Connection, table: sa.Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)


def _columns(connection: sa.Connection, table: sa.Table) -> str:
    quote = connection.dialect.identifier_preparer.format_column
    return ", ".join(quote(column) for column in table.columns)
