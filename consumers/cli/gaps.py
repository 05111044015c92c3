"""`gaps`: who could still be sent to although they must not."""

import time
from typing import Annotated

import typer

from consumers import gaps as coverage
from consumers.cli.options import AUDIT, Json, opened
from consumers.cli.output import emit, say
from consumers.opened import Ledger
from consumers.wording import masked
from projections.rebuilt import Rebuilt


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(gaps)


def gaps(
    strict: Annotated[bool, typer.Option(help="Exit code 1 for partial ones as well.")] = False,
    json: Json = False,
) -> None:
    """Contacts that could still be sent to although they must not: the gate's copy against the log itself."""
    from consumers.copies import ask_replica, current_replica  # numpy, which few commands need

    now = time.time_ns() // 1_000_000
    with opened() as ledger:
        rebuilt = Rebuilt(ledger.log)
        uncovered = list(coverage.uncovered(rebuilt, ask_replica(current_replica(ledger)), now))
        partial = list(coverage.partial(rebuilt, now))
        lines = [_uncovered(ledger, gap) for gap in uncovered] + [_partial(ledger, gap) for gap in partial]
    for line in lines:
        emit(line) if json else say(_gap_in_words(line))
    if not json:
        say(f"{len(uncovered)} uncovered, {len(partial)} partial")
    if uncovered or (strict and partial):
        raise typer.Exit(1)


def _uncovered(ledger: Ledger, gap: coverage.Uncovered) -> dict[str, object]:
    brand, channel, purpose = gap.message
    return {
        "gap": "uncovered", "contact": masked(ledger.people, [gap.contact])[gap.contact], "ref": gap.contact,
        "brand": brand, "channel": channel, "purpose": purpose,
        "expected": gap.expected, "got": gap.got, "evidence": list(gap.evidence),
    }  # fmt: skip


def _partial(ledger: Ledger, gap: coverage.Partial) -> dict[str, object]:
    names = masked(ledger.people, [gap.account, *gap.opted_out, *gap.reachable])
    return {
        "gap": "partial", "account": names[gap.account], "ref": gap.account,
        "opted_out": [names[ref] for ref in gap.opted_out], "reachable": [names[ref] for ref in gap.reachable],
        "messages": [dict(zip(("brand", "channel", "purpose"), message, strict=True)) for message in gap.messages],
    }  # fmt: skip


def _gap_in_words(line: dict[str, object]) -> str:
    if line["gap"] == "uncovered":
        what = f"{line['purpose']} by {line['channel']} from {line['brand']}"
        return (
            f"uncovered  {line['contact']}: the log says {line['expected']}, the gate lets {what} out ({line['got']})"
        )
    out, still = line["opted_out"], line["reachable"]
    assert isinstance(out, list)
    assert isinstance(still, list)
    return f"partial    {line['account']}: {', '.join(out)} opted out, still reachable: {', '.join(still)}"
