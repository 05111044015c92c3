"""`procedures`: who worked by which procedure, and who else is affected."""

import time
from collections.abc import Mapping, Sequence

import typer

from consumers import procedures as conduct
from consumers.cli.options import AUDIT, Json, opened
from consumers.cli.output import emit, say, table
from consumers.wording import masked


def add_to(app: typer.Typer) -> None:
    """Adds the command of this file."""
    app.command(rich_help_panel=AUDIT)(procedures)


def procedures(json: Json = False) -> None:
    """Changes made under a withdrawn or unknown procedure, and who has not acknowledged the current ones."""
    now = time.time_ns() // 1_000_000
    with opened() as ledger:
        reference = conduct.reference_of(ledger.view())
        missteps = list(conduct.missteps(ledger.log, reference))
        versions = conduct.versions(reference, now)
        missing = conduct.yet_to_acknowledge(ledger.log, reference, now)
        refs = {step.event.subject for step in missteps} | {step.event.actor.partition(":")[2] for step in missteps}
        agents = {agent for names in missing.values() for agent in names}
        names = masked(ledger.people, refs | agents | {agent for version in versions for agent in version.acknowledged})
    lines = [conduct.as_json(step, names) for step in missteps]
    if json:
        for line in lines:
            emit(line)
        for version in versions:
            emit(conduct.version_json(version, missing.get(version.procedure, []), names))
    else:
        _procedures_in_words(lines, versions, missing, names)
    if missteps:
        raise typer.Exit(1)


def _procedures_in_words(
    lines: Sequence[Mapping[str, object]],
    versions: Sequence[conduct.Version],
    missing: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
) -> None:
    for version in versions:
        absent = [names[agent] for agent in missing.get(version.procedure, [])]
        say(f"{version.procedure}: {version.standing}; acknowledged by {len(version.acknowledged)} agent(s)")
        if absent:
            say(f"  not yet by {', '.join(absent)}")
    if lines:
        say("Changes that were made under a procedure that was not in force:")
        columns = ("occurred_at", "subject", "says", "procedure", "standing", "actor", "event_id")
        table(columns, [[line[column] for column in columns] for line in lines])
    say(f"{len(lines)} change(s) under a procedure that was not in force")
