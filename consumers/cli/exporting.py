"""`export`: read models, and queries over them, as files."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.options import AUDIT, Json, Zone, when
from consumers.cli.output import either, progress
from consumers.settings import load
from schemas.errors import InputError
from schemas.times import rfc3339

ENDINGS = ".parquet, .arrow, .csv or .jsonl"


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(export)


def export(
    what: Annotated[
        list[str], typer.Argument(metavar="[NAME] OUT", help=f"A read model, and a file that ends in {ENDINGS}.")
    ],
    query: Annotated[
        str | None, typer.Option(metavar="SQL", help="Instead of a read model: one query over them, which only reads.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="TIME", help="As it was then, by what is known now.")] = None,
    timezone: Zone = None,
    milliseconds: Annotated[
        bool, typer.Option("--milliseconds", help="Times as the tables have them: whole numbers since 1970.")
    ] = False,
    json: Json = False,
) -> None:
    """Write a read model, or what a query makes of them, to Parquet, Arrow, CSV or JSON Lines, by the file's ending."""
    from consumers.bootstrap.extracts import open_extracts, open_table
    from consumers.extract_files import write, writer_for

    name, out = _asked(what, query, as_of)
    at = when(as_of, timezone)
    writer_for(out)
    with ExitStack() as stack:
        bar = stack.enter_context(progress("exporting", None))
        if query is None:
            extract = stack.enter_context(open_table(load(), name, at))
        else:
            extract = stack.enter_context(stack.enter_context(open_extracts(load())).query(query))
        rows = write(extract, out, milliseconds, lambda some: bar.advance(bar.task_ids[0], some))
    document = {"name": name or None, "as_of": None if at is None else rfc3339(at), "rows": rows, "file": str(out)}
    either(json, document, [f"Wrote {rows:,} row(s) of {name or 'the query'} to {out}."])


def _asked(what: list[str], query: str | None, as_of: str | None) -> tuple[str, Path]:
    """The name of the read model, empty for a query, and the file. Raises InputError."""
    if query is not None and as_of is not None:
        raise InputError("--as-of is for a read model; a query says itself what time it is about")
    if len(what) != (2 if query is None else 1):
        raise InputError("write export NAME OUT, or export OUT --query SQL")
    return ("" if query is not None else what[0]), Path(what[-1])
