"""`backup`, `restore`, `doctor`, `settings`, `demo`: looking after a ledger."""

import time
from pathlib import Path
from typing import Annotated

import typer

from consumers import backup as backups
from consumers import demo as demonstration
from consumers.bootstrap import open_decisions, open_ledger, open_log_alone
from consumers.cli.options import RUN, Json, opened
from consumers.cli.output import either, emit, say, table
from consumers.doctor import examine
from consumers.settings import load


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    for command in (backup, restore, doctor, settings, demo):
        app.command(rich_help_panel=RUN)(command)


def backup(out: Annotated[Path, typer.Argument(metavar="OUT", help="A new file.")], json: Json = False) -> None:
    """Copy log, identities, evidence and secret to one file, while the ledger is in use."""
    with opened() as ledger, open_decisions(ledger.settings) as decisions:
        manifest = backups.backup(ledger, decisions, out, _now())
    words = [
        f"Backed up to {out}.",
        "It holds the secret and everything not yet erased: keep it where only you can read it, and not for longer",
        "than you promise people who ask to be erased.",
    ]
    either(json, manifest | {"file": str(out)}, words)


def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A backup.")],
    newer: Annotated[Path | None, typer.Option(help="A later copy of the log, whose erasures count as well.")] = None,
    json: Json = False,
) -> None:
    """Bring a backup back where there is no ledger, and apply again what was erased since."""
    in_force = load()
    later = open_log_alone(newer) if newer else None
    restored = backups.restore(source, in_force, later, open_ledger)
    words = [
        f"Restored {restored.events:,} events as of {restored.made_at}; what was recorded after that is not in it.",
        f"{restored.erased_again} record(s) were erased again.",
    ]
    either(json, restored._asdict(), words)


def doctor(json: Json = False) -> None:
    """Say what is wrong and what to do. Exit code 1 for a problem, 0 where there are only warnings."""
    with opened() as ledger:
        findings = list(examine(ledger, _now()))
    for finding in findings:
        emit(finding._asdict()) if json else say(f"{finding.severity:<8} {finding.what}")
    if any(finding.severity == "problem" for finding in findings):
        raise typer.Exit(1)


def settings(json: Json = False) -> None:
    """The settings in force; the secret itself is never shown."""
    in_force = load()
    document = {f"PREFLEDGER_{name.upper()}": str(value or "") for name, value in in_force.model_dump().items()}
    if json:
        emit(document)
        return
    meanings = {f"PREFLEDGER_{name.upper()}": field.description for name, field in type(in_force).model_fields.items()}
    table(("setting", "value", "meaning"), [(name, value, meanings[name]) for name, value in document.items()])


def demo(json: Json = False) -> None:
    """The case of 2014, start to finish, on a throw-away ledger, in words."""
    if not demonstration.tell(quietly=json):
        raise typer.Exit(1)
    if json:
        emit({"told": True})


def _now() -> int:
    return time.time_ns() // 1_000_000
