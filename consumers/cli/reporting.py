"""`report`: a page of pictures of the read models."""

import time
from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.options import AUDIT, Json, Zone, when
from consumers.cli.output import either
from consumers.outputs import complete
from consumers.settings import load
from schemas.errors import InputError, shown
from schemas.times import rfc3339


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(report)


def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A file that ends in .html.")],
    language: Annotated[str, typer.Option(metavar="en|fr", help="English or French.")] = "en",
    at: Annotated[str | None, typer.Option(metavar="TIME", help="What was said up to then; now by default.")] = None,
    timezone: Zone = None,
    json: Json = False,
) -> None:
    """One page: opt-outs over time, how long they took to be enforced, coverage of accounts, what waits for people.

    The page needs no network, and no number or name is in it.
    """
    from consumers.bootstrap.extracts import open_extracts
    from consumers.report.figures import figures
    from consumers.report.page import page
    from consumers.report.words import LANGUAGES

    if language not in LANGUAGES:
        raise InputError(f"the report is written in {', '.join(LANGUAGES)}, not in {shown(language)}")
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{shown(out)} must end in .html")
    asked = when(at, timezone)
    moment = time.time_ns() // 1_000_000 if asked is None else asked
    with open_extracts(load()) as extracts:
        found = figures(extracts, moment)
    with complete(out) as draft:
        draft.write_text(page(found, language), "utf-8")
    document = {"file": str(out), "language": language, "at": rfc3339(moment)}
    either(json, document, [f"Wrote {out}."])
