"""`replay`: whether the stored projections are what the log says."""

import typer

from consumers import replay as replays
from consumers.cli.options import AUDIT, Json, opened
from consumers.cli.output import either


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(replay)


def replay(json: Json = False) -> None:
    """Rebuild from the first event and compare with the live projections."""
    with opened() as ledger:
        found = replays.replay(ledger.log, ledger.store())
    document = {
        "events": found.events,
        "states": found.states,
        "differences": [{"key": difference.key, "what": difference.what} for difference in found.differences],
        "rejected": [{"position": list(one.position), "key": one.key, "reason": one.reason} for one in found.rejected],
    }
    words = [f"{found.events:,} events folded to {found.states:,} states; {len(found.differences)} differ"]
    words += [f"  {difference.key}: {difference.what}" for difference in found.differences[:20]]
    words += [f"  rejected {one.key} at {tuple(one.position)}: {one.reason}" for one in found.rejected]
    either(json, document, words)
    if found.differences:
        raise typer.Exit(1)
