"""`confirm`: what a care agent tells a customer, quoted from the gateways' own receipts."""

from typing import Annotated

import typer

from consumers.bootstrap import open_receipts
from consumers.cli.options import ASK, Json, opened
from consumers.cli.output import either, say
from consumers.confirm import Confirmation, Confirming

Wait = Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Wait until it is in force everywhere.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=ASK)(confirm)


def confirm(
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="As the command that recorded it printed it.")],
    wait: Wait = 0,
    json: Json = False,
) -> None:
    """Is it in force? Requested, recorded, enforced, gateway by gateway. Exit code 1 if the wait ran out."""

    def tell(now: Confirmation) -> None:
        if not json and not now.enforcement.enforced:
            waiting = [one.name for one in now.enforcement.gateways if one.state == "waiting"]
            say(f"… waiting for {', '.join(waiting)}")

    with opened() as ledger, open_receipts(ledger.settings) as receipts:
        found = Confirming(ledger.log, receipts, event_id).wait(wait, tell)
    either(json, found.as_json(), found.in_words())
    if wait and not found.enforcement.enforced:
        raise typer.Exit(1)
