"""`erase`, `ref`, `reveal`, `looks`: the people behind the references."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from consumers.cli.options import PEOPLE, Actor, Json, Key, Procedure, Region, Subject, opened, origin
from consumers.cli.output import complain, either, emit, table
from consumers.erasure import erase_everywhere
from consumers.evidence import Evidence, evidence_of
from consumers.looking import as_lines, look
from consumers.looking import looks as looks_at
from consumers.opened import Ledger
from consumers.receipts import as_json, in_words
from schemas.errors import InputError
from schemas.events import OPERATOR_INBOX
from schemas.subject import parse_subject

REF_DIGITS = 32
WHAT_WAS = {
    "kept": "nothing of it is kept any more",
    "erased": "it had been erased before, and nothing had been kept since",
    "unknown": "nobody was known by that name; from now on no identity of it will be kept",
    "renewed": "nothing was removed: this repeats an erasure after which they said yes again; erase under a new key",
}
STANDING = {
    "changed": "CHANGED since it was recorded: these are not the words that the log committed to",
    "missing": "MISSING: the log committed to words that are gone, though nobody erased them",
    "erased": "erased",
}
RefOrSubject = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="A subject, a reference of 32 hex digits, or operator:inbox.")
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    for command in (erase, ref, reveal, looks):
        app.command(rich_help_panel=PEOPLE)(command)


def erase(
    subject: Subject,
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone; say so.")] = False,
    actor: Actor = "system:cli",
    procedure: Procedure = None,
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
    document = as_json(done.receipt) | {"removed": done.removed, "was": done.was}
    words = [
        *in_words(done.receipt, f"Erased: {whom.masked}"),
        f"  removed  {done.removed} record(s): {WHAT_WAS[done.was]}",
    ]
    either(json, document, words)


def ref(subject: Subject, region: Region = None, json: Json = False) -> None:
    """The reference that the ledger knows a subject by."""
    whom = parse_subject(subject, region)
    with opened() as ledger:
        found = ledger.ref(whom)
    either(json, {"subject": str(whom), "kind": whom.kind, "ref": found}, [found])


def reveal(subject: RefOrSubject, actor: Actor = "system:cli", region: Region = None, json: Json = False) -> None:
    """Identity and evidence of a subject, checked against the log. That somebody looked is recorded.

    Exit code 1 where nobody is known by that name, or words are not those that the log committed to.
    """
    with opened() as ledger:
        name = _ref_of(ledger, subject, region)
        look(ledger, name, actor, "identity and evidence", time.time_ns() // 1_000_000)
        identity = ledger.people.identity(name)
        evidence = evidence_of(ledger, name)
    document = {
        "ref": name,
        "kind": identity.kind if identity else None,
        "id": identity.id if identity else None,
        "evidence": [_as_json(one) for one in evidence],
    }
    shown = f"{identity.kind}: {identity.id}" if identity else "no identity is kept: it was erased, or never known"
    either(json, document, [shown, *(line for one in evidence for line in _lines(one))])
    complaints = [
        f"the words behind event {one.event.event_id} are not those that the log committed to; find out why"
        for one in evidence
        if one.is_wrong
    ]
    if identity is None and name != OPERATOR_INBOX:
        complaints.append(f"nobody is known behind {name}")
    for complaint in complaints:
        complain(complaint)
    if complaints:
        raise typer.Exit(1)


def looks(
    subject: Annotated[str | None, typer.Argument(metavar="SUBJECT", help="Of whom; of everybody by default.")] = None,
    region: Region = None,
    json: Json = False,
) -> None:
    """Who looked at identities and evidence, oldest first. People are masked: to list looks is no look."""
    with opened() as ledger:
        found = looks_at(ledger, _ref_of(ledger, subject, region) if subject else None)
        lines = list(as_lines(ledger, found))
    if json:
        for line in lines:
            emit(line)
        return
    table(("at", "who", "what", "of whom"), [(one["at"], one["by"], one["what"], one["subject"]) for one in lines])


def _ref_of(ledger: Ledger, subject: str, region: str | None) -> str:
    is_ref = len(subject) == REF_DIGITS and set(subject) <= set("0123456789abcdef")
    if is_ref or subject == OPERATOR_INBOX:
        return subject
    return ledger.ref(parse_subject(subject, region))


def _as_json(one: Evidence) -> dict[str, Any]:
    return {
        "event_id": one.event.event_id,
        "text": one.words.text if one.words else None,
        "standing": one.standing,
    }


def _lines(one: Evidence) -> Iterator[str]:
    said = f" {one.words.text!r}" if one.words else ""
    yield f"  {one.event.event_id} {said}"
    if one.standing in STANDING:
        yield f"    {STANDING[one.standing]}"
