"""`replay`: whether the stored projections, or the decisions on record, are what the log says."""

from typing import Annotated

import typer

from consumers import replay as replays
from consumers.bootstrap import open_decisions
from consumers.cli.options import AUDIT, Json, Zone, opened, when
from consumers.cli.output import either, emit, progress, say
from consumers.decisions.replaying import Summary, as_json, replay_all
from schemas.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(replay)


def replay(
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Make every decision on record once more, and list what differs.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --decisions: only those logged from then on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --decisions: only those logged before then.")
    ] = None,
    timezone: Zone = None,
    json: Json = False,
) -> None:
    """Rebuild from the first event and compare with the live projections. Exit code 1 if anything differs."""
    if decisions:
        _replay_decisions(when(since, timezone) or 0, when(until, timezone), json)
        return
    if since or until:
        raise InputError("--since and --until are for decisions on record; say --decisions as well")
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


def _replay_decisions(since: int, until: int | None, json: bool) -> None:
    """Prints each that differs as it is found, and at the end how many there were."""
    summary = Summary()
    with opened() as ledger, open_decisions(ledger.settings) as log, progress("replaying", None):
        for found in replay_all(ledger.log, log.scan(since, until), summary):
            if json:
                emit(as_json(found))
                continue
            say(f"{found.decision.decision_id} (gateway {found.decision.gateway}) differs")
            for difference in found.differences():
                say(f"  {difference.in_words()}")
    words = [f"{summary.decisions:,} decisions replayed; {summary.differing:,} differ", *summary.unreadable]
    document = {"decisions": summary.decisions, "differing": summary.differing, "unreadable": summary.unreadable}
    either(json, document, words)
    if summary.differing:
        raise typer.Exit(1)
