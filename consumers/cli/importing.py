"""`import`: lists of any size into the ledger."""

from pathlib import Path
from typing import Annotated

import typer

from consumers.cli.options import RECORD, Json, Region, Zone, opened
from consumers.cli.output import either, progress
from consumers.importing.load import load
from consumers.importing.options import options

Texts = list[str] | None
Mapped = Annotated[Texts, typer.Option("--map", metavar="FIELD=COLUMN", help="Which column is which field.")]
Defaults = Annotated[Texts, typer.Option("--default", metavar="FIELD=VALUE", help="What holds for all rows.")]
Ignored = Annotated[Texts, typer.Option("--ignore", metavar="COLUMN", help="A column that is left out.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command("import", rich_help_panel=RECORD)(import_)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON Lines, Parquet, or a JSON list of numbers.")],
    maps: Mapped = None,
    defaults: Defaults = None,
    ignored: Ignored = None,
    header: Annotated[bool, typer.Option("--header/--no-header", help="Whether a CSV names its columns.")] = True,
    rejects: Annotated[Path | None, typer.Option(help="Where rejected rows go, with the reason.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, record nothing.")] = False,
    region: Region = None,
    timezone: Zone = None,
    json: Json = False,
) -> None:
    """Record a list. Run it again after an interruption: nothing is lost and nothing doubled."""
    with opened() as ledger:
        said = options(
            maps or (), defaults or (), ignored or (), header=header, region=region, timezone=timezone,
            rejects=rejects, dry_run=dry_run, grant_brand=ledger.brand(),
        )  # fmt: skip
        with progress("importing", 1) as bar:
            task = bar.task_ids[0]
            result = load(file, ledger.recorder, said, lambda _, done, end: bar.update(task, completed=done, total=end))
    words = [
        f"{result.rows:,} rows: {result.recorded:,} recorded, {result.duplicates:,} duplicates, "
        f"{result.rejected:,} rejected" + (" (dry run: nothing was recorded)" if dry_run else "")
    ]
    if result.flagged:
        words.append(f"{result.flagged:,} were recorded and flagged: prefledger follow-ups list")
    if result.rejects_file:
        words.append(f"The rejected rows and their reasons are in {result.rejects_file}; mend and import that file.")
    either(json, result.as_dict(), words)
    if result.rejected:
        raise typer.Exit(1)
