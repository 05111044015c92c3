"""Pseudonyms in the database of the read models: given in the turn in which somebody first has a row, or afterwards."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.errors import WrongSecretError
from projections.adapters.read_model_writing import is_postgres
from projections.adapters.read_models import READ_MODELS
from projections.adapters.sharing_tables import PSEUDONYMS, SHARING, schemas
from projections.rows.flat import Row
from projections.sharing import HIDDEN, PEOPLE

Naming = Callable[[str], str]
"""From a reference to its pseudonym."""
PAGE = 20_000
OTHER_KEY = (
    "the pseudonyms in the database were made under another key: put that back into PREFLEDGER_PSEUDONYM_KEY_FILE, or "
    "give everybody a new pseudonym with prefledger db share --anew"
)


def people_columns(table: sa.Table) -> list[int]:
    """Which columns of a table hold references that a view shows as pseudonyms."""
    return [] if table.name in HIDDEN else [at for at, column in enumerate(table.c) if column.name in PEOPLE]


def references_in(table: sa.Table, rows: Iterable[Row]) -> set[str]:
    """The references in rows of a table."""
    columns = people_columns(table)
    return {str(row[at]) for row in rows for at in columns if row[at] is not None} if columns else set()


def give_pseudonyms(connection: sa.Connection, refs: Iterable[str], naming: Naming) -> None:
    """Stores the pseudonyms of these references, in the connection's transaction; those that have one keep it."""
    names = {ref: naming(ref) for ref in sorted(refs)}
    if not names:
        return
    if is_postgres(connection):
        arrays = [sa.literal(list(some), postgresql.ARRAY(sa.Text)) for some in (names.keys(), names.values())]
        columns = sa.func.unnest(*arrays).table_valued("subject", "pseudonym").render_derived()
        insert = postgresql.insert(PSEUDONYMS).from_select(["subject", "pseudonym"], sa.select(columns))
        connection.execute(insert.on_conflict_do_nothing())
        return
    rows = [{"subject": ref, "pseudonym": name} for ref, name in names.items()]
    connection.execute(sqlite.insert(PSEUDONYMS).on_conflict_do_nothing(), rows, execution_options=schemas(connection))


def are_shared(connection: sa.Connection) -> bool:
    """Whether the read models were ever handed out, so that who is in them needs a pseudonym."""
    if is_postgres(connection):
        name = f"{SHARING}.{PSEUDONYMS.name}"
        return connection.execute(sa.select(sa.func.to_regclass(name))).scalar() is not None
    return sa.inspect(connection).has_table(PSEUDONYMS.name)


def check_key(connection: sa.Connection, naming: Naming) -> None:
    """Whether the pseudonyms that are there were made under this key. Raises WrongSecretError."""
    one = sa.select(PSEUDONYMS).where(PSEUDONYMS.c.subject != PSEUDONYMS.c.pseudonym).limit(1)
    found = connection.execute(one, execution_options=schemas(connection)).first()
    if found is not None and naming(found.subject) != found.pseudonym:
        raise WrongSecretError(OTHER_KEY)


def name_all(connection: sa.Connection, naming: Naming) -> int:
    """Gives everybody in the tables who has none a pseudonym; returns how many that were. Raises WrongSecretError."""
    check_key(connection, naming)
    named = 0
    for table in READ_MODELS.sorted_tables:
        for refs in without_pseudonym(connection, table):
            named += len(refs)
            give_pseudonyms(connection, refs, naming)
    return named


def without_pseudonym(connection: sa.Connection, table: sa.Table) -> Iterator[list[str]]:
    """References in a table that have no pseudonym, page by page in their order, so that an index serves each page."""
    for at in people_columns(table):
        yield from _pages(connection, list(table.c)[at])


def _pages(connection: sa.Connection, column: sa.Column[Any]) -> Iterator[list[str]]:
    last = ""
    joined = column.table.outerjoin(PSEUDONYMS, PSEUDONYMS.c.subject == column)
    while True:
        asked = (
            sa.select(column).distinct().select_from(joined)
            .where(PSEUDONYMS.c.subject.is_(None), column > last).order_by(column).limit(PAGE)
        )  # fmt: skip
        page = list(connection.execute(asked, execution_options=schemas(connection)).scalars())
        if not page:
            return
        yield page
        last = page[-1]
