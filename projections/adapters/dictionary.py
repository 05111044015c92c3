"""The data dictionary, `docs/data-dictionary.md`, made from the tables' own comments, also of those beside them.

`python -m projections.adapters.dictionary` writes it, `--check` says whether it is current.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from projections.adapters.read_models import READ_MODELS
from projections.adapters.sharing_tables import MASKED_NUMBERS, PSEUDONYMS

PAGE: Final = Path("docs/data-dictionary.md")
HEAD: Final = """# Data dictionary

The tables of the [read models](read-models.md), made from their own comments by
`python -m projections.adapters.dictionary`. On PostgreSQL they are in the schema `read_models`, and its tools show the
same comments. The views in the schema `analysis` have the names and comments of their tables
([who may see what](read-models.md)). What they are made from besides is in the schema `sharing`, at the end; in a
SQLite file these two tables are named without it.
"""
KINDS: Final[dict[type, str]] = {
    sa.Integer: "integer", sa.BigInteger: "bigint", sa.Boolean: "boolean", sa.LargeBinary: "bytes",
}  # fmt: skip


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for table in _tables() for line in _of(table))])


def _tables() -> Iterator[sa.Table]:
    yield from READ_MODELS.tables.values()
    yield from (PSEUDONYMS, MASKED_NUMBERS)


def _of(table: sa.Table) -> Iterator[str]:
    yield f"## {table.fullname}\n\n{table.comment}\n\n| column | type | meaning |\n|---|---|---|"
    for column in table.columns:
        kind = KINDS.get(type(column.type), "text")
        how = ", key" if column.primary_key else ", may be null" if column.nullable else ""
        yield f"| `{column.name}` | {kind}{how} | {column.comment} |"
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        yield f"\nIndex on {', '.join(f'`{column.name}`' for column in index.columns)}."
    yield ""


def main() -> int:
    """Writes the page, or says whether it is current."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), "utf-8")
    elif PAGE.read_text("utf-8") != page():
        sys.stderr.write(f"{PAGE} is not what the tables say; run python -m projections.adapters.dictionary\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
