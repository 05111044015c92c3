"""`link`, `unlink`: who belongs to an account."""

from collections.abc import Sequence
from typing import Annotated

import typer

from consumers.cli.options import (
    RECORD,
    Actor,
    Json,
    Key,
    Occurred,
    Procedure,
    Region,
    Source,
    Zone,
    opened,
    origin,
    when,
)
from consumers.cli.output import complain, either
from consumers.receipts import as_json, in_words
from ledger.record import Receipt
from ledger.requests import Link, Request, Unlink
from schemas.envelope import LinkReason
from schemas.errors import InputError
from schemas.subject import Subject, parse_contact, parse_subject

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id, with or without account:.")]
Contacts = Annotated[list[str], typer.Argument(metavar="CONTACT…", help="Numbers or addresses.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command(rich_help_panel=RECORD)(link)
    app.command(rich_help_panel=RECORD)(unlink)


def link(
    account: Account,
    contacts: Contacts,
    reason: LinkReason = "added",
    occurred_at: Occurred = None,
    actor: Actor = "system:cli",
    procedure: Procedure = None,
    source: Source = "cli",
    region: Region = None,
    timezone: Zone = None,
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Record that contacts belong to an account; what the account said applies to them from then on."""
    whose, whom = _parsed(account, contacts, region)
    by, occurred = origin(actor, source, procedure), when(occurred_at, timezone)
    keys = _keys(idempotency_key, whom)
    _record(
        [
            Link(subject=one, account=whose, reason=reason, origin=by, occurred_at=occurred, idempotency_key=key)
            for one, key in zip(whom, keys, strict=True)
        ],
        f"Linked to {whose.id}",
        json,
    )


def unlink(
    account: Account,
    contacts: Contacts,
    reason: LinkReason = "closed",
    occurred_at: Occurred = None,
    actor: Actor = "system:cli",
    procedure: Procedure = None,
    source: Source = "cli",
    region: Region = None,
    timezone: Zone = None,
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Record that contacts left an account; what it had revoked goes on denying until they say yes themselves."""
    whose, whom = _parsed(account, contacts, region)
    by, occurred = origin(actor, source, procedure), when(occurred_at, timezone)
    keys = _keys(idempotency_key, whom)
    _record(
        [
            Unlink(subject=one, account=whose, reason=reason, origin=by, occurred_at=occurred, idempotency_key=key)
            for one, key in zip(whom, keys, strict=True)
        ],
        f"Unlinked from {whose.id}",
        json,
    )


def _parsed(account: str, contacts: Sequence[str], region: str | None) -> tuple[Subject, list[Subject]]:
    whose = parse_subject(account if account.startswith("account:") else f"account:{account}")
    return whose, [parse_contact(contact, region) for contact in contacts]


def _keys(given: str | None, contacts: Sequence[Subject]) -> list[str | None]:
    """One key a contact: a key is a subject's own, so the same one serves them all."""
    return [given for _ in contacts]


def _record(requests: Sequence[Request], done: str, json: bool) -> None:
    with opened() as ledger:
        answers = ledger.recorder.record_all(requests)
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, Receipt):
            shown = f"{done}: {request.subject.masked}"
            either(json, as_json(answer), in_words(answer, shown))
        else:
            complain(str(answer))
    if any(isinstance(answer, InputError) for answer in answers):
        raise typer.Exit(2)
