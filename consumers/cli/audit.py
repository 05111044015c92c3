"""`timeline`, `as-of`, `gaps`, `procedures`, `replay`: what happened, and whether all is as the log says."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from consumers import gaps as coverage
from consumers import procedures as conduct
from consumers import replay as replays
from consumers import status as statuses
from consumers import timeline as timelines
from consumers.cli.options import AUDIT, Json, Known, Region, Subject, Zone, opened, when, zone
from consumers.cli.output import either, emit, say, table
from consumers.opened import Ledger
from consumers.wording import masked
from projections.log_view import LogView, known_at
from projections.rebuilt import Rebuilt
from schemas.subject import parse_subject
from schemas.times import parse_time, rfc3339


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command(rich_help_panel=AUDIT)(timeline)
    app.command("as-of", rich_help_panel=AUDIT)(as_of)
    app.command(rich_help_panel=AUDIT)(gaps)
    app.command(rich_help_panel=AUDIT)(procedures)
    app.command(rich_help_panel=AUDIT)(replay)


def timeline(subject: Subject, region: Region = None, json: Json = False) -> None:
    """Everything that ever touched a subject, its accounts' statements included, oldest first."""
    whom = parse_subject(subject, region)
    with opened() as ledger:
        items = timelines.timeline(ledger, ledger.ref(whom))
        names = timelines.names_of(ledger, items)
    if json:
        for item in items:
            emit(timelines.as_json(item, names))
        return
    say(f"{whom.masked}: {len(items)} events")
    for line in timelines.in_words(items, names):
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
    either(json, document, statuses.in_words(found, whom.masked, names))


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
