"""`erase`, `ref`, `reveal`: the people behind the references."""

import time
from typing import Annotated

import typer

from consumers.cli.options import PEOPLE, Actor, Evidence, Json, Key, Procedure, Region, Subject, opened, origin
from consumers.cli.output import complain, either
from consumers.erasure import erase_everywhere
from consumers.receipts import as_json, in_words
from consumers.timeline import timeline
from schemas.errors import InputError
from schemas.subject import parse_subject


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command(rich_help_panel=PEOPLE)(erase)
    app.command(rich_help_panel=PEOPLE)(ref)
    app.command(rich_help_panel=PEOPLE)(reveal)


def erase(
    subject: Subject,
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone; say so.")] = False,
    actor: Actor = "system:cli",
    procedure: Procedure = None,
    evidence: Evidence = None,
    region: Region = None,
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Remove identity and evidence of a subject everywhere; what it opted out of stays in force."""
    whom = parse_subject(subject, region)
    if not yes:
        raise InputError(f"identity and evidence of {whom.masked} cannot be brought back; repeat with --yes")
    by = origin(actor, "cli", procedure)
    with opened() as ledger:
        done = erase_everywhere(ledger, whom, by, idempotency_key)
    document = as_json(done.receipt) | {"removed": done.removed}
    words = [*in_words(done.receipt, f"Erased: {whom.masked}"), f"  removed  {done.removed} record(s)"]
    either(json, document, words)


def ref(subject: Subject, region: Region = None, json: Json = False) -> None:
    """The reference that the ledger knows a subject by."""
    whom = parse_subject(subject, region)
    with opened() as ledger:
        found = ledger.ref(whom)
    either(json, {"subject": str(whom), "kind": whom.kind, "ref": found}, [found])


def reveal(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="A subject, or a reference of 32 hex digits.")],
    actor: Actor = "system:cli",
    region: Region = None,
    json: Json = False,
) -> None:
    """Identity and evidence of a subject. That somebody looked is recorded."""
    with opened() as ledger:
        is_ref = len(subject) == 32 and set(subject) <= set("0123456789abcdef")
        name = subject if is_ref else ledger.ref(parse_subject(subject, region))
        ledger.people.looked_at(name, actor, "identity and evidence", time.time_ns() // 1_000_000)
        identity = ledger.people.identity(name)
        words = [
            (item.event.event_id, found.text)
            for item in timeline(ledger, name)
            if (found := ledger.people.evidence(name, item.event.event_id))
        ]
    document = {
        "ref": name,
        "kind": identity.kind if identity else None,
        "id": identity.id if identity else None,
        "evidence": [{"event_id": event_id, "text": text} for event_id, text in words],
    }
    shown = f"{identity.kind}: {identity.id}" if identity else "no identity is kept: it was erased, or never known"
    either(json, document, [shown, *(f"  {event_id}  {text!r}" for event_id, text in words)])
    if identity is None:
        complain(f"nobody is known behind {name}")
        raise typer.Exit(1)
