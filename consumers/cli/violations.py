"""`violations`: messages that went out to people who had said no."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumers.bootstrap import open_decisions, open_receipts
from consumers.cli.found import Out, tell
from consumers.cli.importing import Defaults, Mapped
from consumers.cli.options import AUDIT, Actor, Json, Region, Zone, opened, when, zone
from consumers.cli.output import complain, progress, say
from consumers.looking import look
from consumers.opened import Ledger
from consumers.violations import finding
from consumers.violations.finding import Found
from consumers.wording import masked, subject_of

if TYPE_CHECKING:
    from consumers.violations.search import Searched

SendsFile = Annotated[
    Path | None,
    typer.Option("--sends", metavar="FILE", help="A gateway's own log of what it sent: CSV, JSON Lines or Parquet."),
]
Decided = Annotated[
    bool | None,
    typer.Option(
        "--decisions/--no-decisions", help="Whether decisions on record are looked at; they are without --sends."
    ),
]
Rejects = Annotated[Path | None, typer.Option(help="Where rows of --sends go that cannot be understood.")]
Enforced = Annotated[
    bool, typer.Option("--after-enforced", help="Only what went out after the no was in force at every gateway.")
]
AllReasons = Annotated[
    bool,
    typer.Option(
        "--all-reasons",
        help="Also what was denied without a no of theirs: halted, held, no consent, a sender out of use.",
    ),
]
ByContact = Annotated[bool, typer.Option("--affected", help="One line a contact and gateway, from when to when.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only what was sent from then on.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only what was sent before then.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Numbers in full; that somebody looked is recorded.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(violations)


def violations(
    sends: SendsFile = None,
    decisions: Decided = None,
    maps: Mapped = None,
    defaults: Defaults = None,
    rejects: Rejects = None,
    since: Since = None,
    until: Until = None,
    after_enforced: Enforced = False,
    all_reasons: AllReasons = False,
    affected: ByContact = False,
    out: Out = None,
    reveal: Reveal = False,
    actor: Actor = "system:cli",
    region: Region = None,
    timezone: Zone = None,
    json: Json = False,
) -> None:
    """Messages that went out after a no to them was recorded, or in force. Exit code 1 if there are any.

    With --all-reasons also those that the rules denied for any other reason when they went out.
    """
    from consumers.violations.search import Wanted, search  # numpy, which few other commands need
    from consumers.violations.send_files import send_options

    with opened() as ledger, open_decisions(ledger.settings) as log, open_receipts(ledger.settings) as receipts:
        said = send_options(
            maps or (), defaults or (), brand=ledger.brand(), region=region, zone=zone(timezone), rejects=rejects
        )
        from_log = sends is None if decisions is None else decisions
        wanted = Wanted(sends, said, from_log, when(since, timezone) or 0, when(until, timezone), all_reasons)
        with progress("reading", None):
            searched = search(ledger, log, receipts, wanted)
        found = [one for one in searched.found if one.is_after_enforced or not after_enforced]
        names = _names(ledger, {one.violation.send.subject.hex() for one in found}, actor if reveal else None)
        if affected:
            groups = finding.affected(found).items()
            lines = (finding.affected_as_json(key, one, names) for key, one in groups)
            tell(lines, finding.AFFECTED, out, json, finding.affected_in_words)
        else:
            lines = (finding.as_json(one, names) for one in found)
            tell(lines, finding.COLUMNS, out, json, finding.in_words)
    _end(searched, found, json)


def _names(ledger: Ledger, refs: set[str], looker: str | None) -> Mapping[str, str]:
    """How contacts are shown: masked or, to somebody who is then on record as having looked, in full."""
    if looker is None:
        return masked(ledger.people, refs)
    now = time.time_ns() // 1_000_000
    for ref in sorted(refs):
        look(ledger, ref, looker, "identity, in a list of violations", now)
    names = dict(masked(ledger.people, refs))
    for ref, identity in ledger.people.identities(refs).items():
        subject = subject_of(identity)
        if subject is not None:
            names[ref] = str(subject)
    return defaultdict(lambda: "erased", names)


def _end(searched: "Searched", found: Sequence[Found], json: bool) -> None:
    """Says what was counted on the way, complains of what could not be read, and ends with the exit code."""
    if not json:
        for words in finding.totals_in_words(searched.sends, found):
            say(words)
    if searched.rejected:
        complain(
            f"{searched.rejected:,} rows could not be understood; they and their reasons are in {searched.rejects_file}"
        )
    if searched.unreadable:
        complain(f"{searched.unreadable:,} records of the decision log are no decisions; replay --decisions names them")
    if found or searched.rejected or searched.unreadable:
        raise typer.Exit(1)
