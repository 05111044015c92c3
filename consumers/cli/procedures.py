"""`procedures`: who worked by which procedure, and who else is affected."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from consumers import procedure_lines as lines
from consumers.affected import Affected, Looking, affected, of_its_own
from consumers.cli.found import Out, tell
from consumers.cli.options import AUDIT, Json, opened
from consumers.cli.output import say
from consumers.procedures import Conduct, Version, conduct, reference_of, versions
from consumers.wording import masked
from projections.view import Histories
from schemas.errors import InputError, shown

Label = Annotated[str | None, typer.Option("--procedure", metavar="NAME@VERSION", help="Of this version only.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(procedures)


def procedures(procedure: Label = None, out: Out = None, json: Json = False) -> None:
    """Changes made under a withdrawn or unknown procedure, who else is affected, and who has yet to acknowledge.

    Exit code 1 if there are such changes.
    """
    now = time.time_ns() // 1_000_000
    with opened() as ledger:
        view = ledger.view()
        reference = reference_of(view)
        found = conduct(ledger.log, reference)
        published = versions(reference, found.agents, now)
        if procedure is not None:
            published = _narrowed(found, published, procedure)
        looking = Looking(Histories(view), now)
        others = list(affected(found.missteps, found.members, looking))
        names = masked(ledger.people, _refs(found, others, published))
        others.sort(key=lambda one: (names[one.account or ""], names[one.contact]))
        tell(_lines(found, others, published, looking, names), lines.COLUMNS, out, json, lines.in_words)
    if not json:
        counts = Counter(one.standing.state for one in others)
        say(f"{len(found.missteps):,} change(s) under a procedure not in force, {len(others):,} others affected")
        for state, count in sorted(counts.items()):
            say(f"  {count:>8,}  {lines.STATES[state]}")
    if found.missteps:
        raise typer.Exit(1)


def _narrowed(found: Conduct, published: list[Version], label: str) -> list[Version]:
    """Keeps what is about one version. Raises InputError where there is no such version: nothing is not found then."""
    found.missteps = [step for step in found.missteps if step.procedure == label]
    kept = [version for version in published if version.procedure == label]
    if not kept and not found.missteps:
        raise InputError(f"no version {shown(label)} of a procedure was ever published, and no change names it")
    return kept


def _refs(found: Conduct, others: list[Affected], published: list[Version]) -> set[str]:
    """All whose names are shown."""
    refs = {ref for one in others for ref in (one.contact, one.account) if ref}
    refs |= {agent for version in published for agent in (*version.acknowledged, *version.missing)}
    for step in found.missteps:
        refs |= {step.event.subject, step.event.actor.partition(":")[2]}
        refs |= {account} if (account := getattr(step.event, "account", None)) else set()
    return refs


def _lines(
    found: Conduct, others: list[Affected], published: list[Version], looking: Looking, names: lines.Names
) -> Iterator[dict[str, Any]]:
    for step in found.missteps:
        yield lines.misstep(step, of_its_own(step, looking), names)
    for one in others:
        yield lines.affected(one, names)
    for version in published:
        yield lines.version(version, names)
