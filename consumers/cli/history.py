"""`timeline`, `as-of`: what happened to one subject, and what was true of it when."""

from itertools import chain
from typing import Annotated

import typer

from consumers import status as statuses
from consumers import timeline as timelines
from consumers.bootstrap import open_happenings
from consumers.cli.options import AUDIT, Json, Known, Region, Subject, Zone, opened, when, zone
from consumers.cli.output import either, emit, say
from consumers.timeline_lines import as_json, in_words
from consumers.wording import masked
from projections.collecting import rarely
from projections.log_view import LogView, known_at
from schemas.subject import parse_subject
from schemas.times import parse_time, rfc3339


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command(rich_help_panel=AUDIT)(timeline)
    app.command("as-of", rich_help_panel=AUDIT)(as_of)


def timeline(subject: Subject, region: Region = None, json: Json = False) -> None:
    """Everything that ever touched a subject, its accounts' statements included, oldest first."""
    whom = parse_subject(subject, region)
    with opened() as ledger, open_happenings(ledger) as sources, rarely():
        told = timelines.whole(ledger, ledger.ref(whom), sources)
        names = timelines.names_of(ledger, told)
    if json:
        for one in told:
            emit(as_json(one, names))
        return
    events = sum(isinstance(one, timelines.Item) for one in told)
    say(f"{whom.masked}: {events:,} events")
    for line in in_words(told, names):
        say(line)


def as_of(
    at: Annotated[str, typer.Argument(metavar="TIME", help="What was true then.")],
    subject: Subject,
    known_at_time: Known = None,
    region: Region = None,
    timezone: Zone = None,
    json: Json = False,
) -> None:
    """What was true at a time; with --known-at, what was known of it by another."""
    whom = parse_subject(subject, region)
    moment = parse_time(at, zone(timezone))
    known = when(known_at_time, timezone)
    with opened() as ledger:
        view = LogView(ledger.log, None if known is None else known_at(ledger.log, known))
        found = statuses.status(view, whom, ledger.ref(whom), moment, ledger.settings.brand, region)
        names = masked(ledger.people, [level.account for level in found.levels if level.account])
    document = statuses.as_json(found, str(whom), names) | {"known_at": rfc3339(known) if known is not None else None}
    words = statuses.in_words(found, whom.masked, names)
    either(json, document, words if known is None else chain([f"as known at {rfc3339(known)}:"], words))
