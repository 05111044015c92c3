"""What columns an extract has: of a read model by its definition, of a query by their names."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from projections.adapters.read_models import READ_MODELS
from projections.extracts import AS_OF, HOUR, INTERNAL
from projections.sharing import is_time
from schemas.errors import InputError, shown

EXPORTED: Final = tuple(sorted(READ_MODELS.tables.keys() - INTERNAL))
TYPES: Final[dict[type[object], pa.DataType]] = {
    sa.Integer: pa.int64(), sa.BigInteger: pa.int64(), sa.Boolean: pa.bool_(), sa.Text: pa.string(),
}  # fmt: skip


class Column(NamedTuple):
    """A column: its name, what is selected for it, its type, and whether it is milliseconds since 1970."""

    name: str
    sql: str
    type: pa.DataType
    nullable: bool
    is_time: bool


def is_asked_time(name: str) -> bool:
    """Whether a whole number of this name in a query is taken for milliseconds; an `hour` or a `day` may be a count."""
    return is_time(name) and name not in ("hour", "day")


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The columns as Arrow has them."""
    return pa.schema([pa.field(column.name, column.type, column.nullable) for column in columns])


def columns_of(name: str, at: int | None) -> tuple[list[Column], str]:
    """The columns of a read model and which rows are meant, in SQL. Raises InputError."""
    table = READ_MODELS.tables[checked(name, at)]
    as_of = AS_OF.get(name) if at is not None else None
    if as_of is None:
        return [_column(column, f'"{column.name}"') for column in table.c], "1 = 1"
    columns = [
        _column(column, at_time(as_of.columns.get(column.name, f'"{column.name}"'), at or 0))
        for column in table.c
        if column.name not in as_of.without
    ]
    columns = [column._replace(nullable=column.nullable or column.name in as_of.columns) for column in columns]
    return columns, at_time(as_of.rows, at or 0)


def at_time(sql: str, at: int, literal: str = "{}") -> str:
    """SQL of `AS_OF` at a time; `literal`: how a time is written."""
    return sql.format(at=literal.format(at), hour_ago=literal.format(at - HOUR))


def checked(name: str, at: int | None) -> str:
    """The name, if it is that of a read model that can be extracted (as of a time). Raises InputError."""
    if name not in EXPORTED:
        raise InputError(f"{shown(name)} is no read model; there are {', '.join(EXPORTED)}")
    if at is not None and name not in AS_OF:
        kept = ", ".join(sorted([*AS_OF, "current_preferences"]))
        raise InputError(f"{name} is not kept as of a time; what was can be had of {kept}")
    return name


def named_apart(names: Sequence[str]) -> list[str]:
    """The names of a query's columns. Raises InputError where there are none or two are alike."""
    if not names:
        raise InputError("this gives no rows; a query reads, and is one statement")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"two columns of the query are called {shown(twice[0])}; give one another name with AS")
    return list(names)


def _column(column: sa.Column[object], sql: str) -> Column:
    return Column(
        column.name, sql, TYPES.get(type(column.type), pa.string()), bool(column.nullable), is_time(column.name)
    )
