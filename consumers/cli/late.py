"""`late`: opt-outs that were not in force everywhere in time."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any

import typer

from consumers import late as lateness
from consumers.bootstrap import open_receipts
from consumers.cli.found import Out, tell
from consumers.cli.options import AUDIT, Json, opened
from consumers.cli.output import say
from consumers.deadlines import Deadline, deadline, length
from consumers.opened import Ledger
from consumers.wording import masked
from schemas.errors import InputError, shown

MANY = 1_000

Within = Annotated[
    str | None, typer.Option(metavar="LENGTH", help="Such as 500ms, 30s, 15m, 2h or 10d; a minute by default.")
]
Law = Annotated[str | None, typer.Option(metavar="NAME", help="A deadline of the law: us-tcpa, ca-casl or ca-dnc.")]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="said|received",
        help="What the time runs from: when the person said it (by default with --deadline) or when it reached us.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(late)


def late(within: Within = None, deadline: Law = None, since: Since = None, out: Out = None, json: Json = False) -> None:
    """Opt-outs that were not in force at every gateway in time. Exit code 1 if there are any."""
    law = _law(within, deadline)
    limit = length(within or "1m")
    runs_from = _since(since, law)
    now = time.time_ns() // 1_000_000
    with opened() as ledger, open_receipts(ledger.settings) as receipts:
        noes = lateness.noes(ledger.log, runs_from, law.by if law else lambda at: at + limit)
        found: Iterator[lateness.Late] = lateness.late(ledger.log, receipts, noes, now)
        if law:
            found = filter(lateness.within(law.jurisdiction), found)
        lines = _lines(ledger, found, now)
        count = tell(lines, lateness.COLUMNS, out, json, lateness.in_words)
    if not json:
        by = (
            f"in time by {law.name} ({law.law}; counted without public holidays)" if law else f"within {within or '1m'}"
        )
        say(f"{count:,} opt-out(s) were not in force {by}, counted from when they were {runs_from}")
    if count:
        raise typer.Exit(1)


def _law(within: str | None, name: str | None) -> Deadline | None:
    if within and name:
        raise InputError("say --within or --deadline, not both")
    return deadline(name) if name else None


def _since(text: str | None, law: Deadline | None) -> lateness.Since:
    match text or ("said" if law else "received"):
        case "said":
            return "said"
        case "received":
            return "received"
    raise InputError(f"--since {shown(text)} is neither said nor received")


def _lines(ledger: Ledger, found: Iterable[lateness.Late], now: int) -> Iterator[dict[str, Any]]:
    """Many at a time, so that whoever they are about is looked up together."""
    rest = iter(found)
    while some := list(islice(rest, MANY)):
        names = masked(ledger.people, {one.no.event.subject for one in some})
        for one in some:
            yield lateness.as_json(one, names, now)
