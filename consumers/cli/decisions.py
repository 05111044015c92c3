"""`explain`: a decision on record, and whether the ledger says the same to it."""

from typing import Annotated

import typer

from consumers.bootstrap import open_decisions
from consumers.cli.options import AUDIT, Json, opened
from consumers.cli.output import either
from consumers.decisions import explaining


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(explain)


def explain(
    decision_id: Annotated[str, typer.Argument(metavar="DECISION_ID", help="As decide --json prints it.")],
    json: Json = False,
) -> None:
    """Why a message was allowed or not, and whether the ledger says the same once more. Exit code 1 if it does not."""
    with opened() as ledger, open_decisions(ledger.settings) as decisions:
        found = explaining.explain(ledger.log, ledger.people, explaining.find(decisions, decision_id))
    either(json, explaining.as_json(found), explaining.in_words(found))
    if not found.is_same:
        raise typer.Exit(1)
