"""`revoke`, `grant`, `reassign`, `correct`: what people say."""

from typing import Annotated, Literal

import typer

from consumers.cli.options import (
    RECORD,
    Actor,
    Evidence,
    Json,
    Key,
    Language,
    Occurred,
    Procedure,
    Region,
    Source,
    Subject,
    Until,
    Zone,
    opened,
    origin,
    when,
    when_or_unclear,
)
from consumers.cli.output import complain, either
from consumers.receipts import as_json, in_words
from ledger.draft import not_understood
from ledger.requests import Amend, Grant, Reassign, Revoke
from schemas.errors import ContactError
from schemas.policy import Basis
from schemas.scope import EVERYTHING
from schemas.subject import parse_contact, parse_subject

Part = Annotated[str, typer.Option(help="What it is about; * is everything.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    for command in (revoke, grant, reassign, correct):
        app.command(rich_help_panel=RECORD)(command)


def revoke(
    subject: Subject,
    channel: Part = EVERYTHING,
    purpose: Part = EVERYTHING,
    brand: Part = EVERYTHING,
    reach: Annotated[Literal["contact", "account"] | None, typer.Option(help="Whom it reaches.")] = None,
    occurred_at: Occurred = None,
    valid_until: Until = None,
    actor: Actor = "system:cli",
    procedure: Procedure = None,
    source: Source = "cli",
    evidence: Evidence = None,
    language: Language = None,
    region: Region = None,
    timezone: Zone = None,
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Record a no. It is never refused: what is unknown is widened to everything and flagged."""
    by = origin(actor, source, procedure, language, region)
    occurred, unclear = when_or_unclear(occurred_at, timezone)
    until, endless = when_or_unclear(valid_until, timezone)
    for doubt in filter(None, (unclear, endless)):
        complain(f"{doubt}; the opt-out was recorded in its widest reading")
    with opened() as ledger:
        try:
            whom = parse_subject(subject, region)
        except ContactError as error:
            receipt = ledger.recorder.record(not_understood(subject, str(error), by, idempotency_key))
            complain(f"{error}; nobody was opted out. A person has to look at it: follow-up {receipt.event_id}")
            raise typer.Exit(2) from None
        request = Revoke(
            subject=whom, channel=channel, purpose=purpose, brand=brand, reach=reach, origin=by,
            occurred_at=occurred, time_unclear=bool(unclear or endless), valid_until=until,
            evidence=evidence, idempotency_key=idempotency_key,
        )  # fmt: skip
        receipt = ledger.recorder.record(request)
        either(json, as_json(receipt), in_words(receipt, f"Opted out: {whom.masked}"))


def grant(
    subject: Subject,
    channel: Annotated[str, typer.Option(help="Such as sms.")],
    purpose: Annotated[str, typer.Option(help="Such as marketing.offers.")],
    basis: Annotated[Basis, typer.Option(help="What the consent rests on.")],
    brand: Annotated[str | None, typer.Option(help="The policy's brand by default.")] = None,
    occurred_at: Occurred = None,
    valid_until: Until = None,
    actor: Actor = "system:cli",
    procedure: Procedure = None,
    source: Source = "cli",
    evidence: Evidence = None,
    language: Language = None,
    region: Region = None,
    timezone: Zone = None,
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Record a yes. It is refused where anything about it is doubtful."""
    whom = parse_subject(subject, region)
    occurred, until = when(occurred_at, timezone), when(valid_until, timezone)
    with opened() as ledger:
        request = Grant(
            subject=whom, channel=channel, purpose=purpose, brand=brand or ledger.brand(), basis=basis,
            origin=origin(actor, source, procedure, language, region), occurred_at=occurred, valid_until=until,
            evidence=evidence, idempotency_key=idempotency_key,
        )  # fmt: skip
        receipt = ledger.recorder.record(request)
        either(json, as_json(receipt), in_words(receipt, f"Consent recorded: {whom.masked}"))


def reassign(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The number or address that changed hands.")],
    occurred_at: Occurred = None,
    actor: Actor = "system:cli",
    procedure: Procedure = None,
    source: Source = "cli",
    evidence: Evidence = None,
    region: Region = None,
    timezone: Zone = None,
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Record that another person holds a number from now on: their predecessor's yes is void, the no stays."""
    whom, occurred = parse_contact(number, region), when(occurred_at, timezone)
    with opened() as ledger:
        request = Reassign(
            subject=whom, origin=origin(actor, source, procedure), occurred_at=occurred,
            evidence=evidence, idempotency_key=idempotency_key,
        )  # fmt: skip
        receipt = ledger.recorder.record(request)
        either(json, as_json(receipt), in_words(receipt, f"New holder recorded: {whom.masked}"))


def correct(
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="The event that was wrong.")],
    reason: Annotated[str, typer.Option(help="A code, such as wrong or wrong_person.")] = "wrong",
    role: Annotated[str | None, typer.Option(help="corrector: needed to correct an opt-out.")] = None,
    actor: Actor = "system:cli",
    procedure: Procedure = None,
    source: Source = "cli",
    evidence: Evidence = None,
    idempotency_key: Key = None,
    json: Json = False,
) -> None:
    """Record that an event was wrong. Nothing is ever edited; correcting a correction reinstates."""
    with opened() as ledger:
        request = Amend(
            type="StatementCorrected", event_id=event_id, details={"reason": reason}, role=role,
            origin=origin(actor, source, procedure), evidence=evidence, idempotency_key=idempotency_key,
        )  # fmt: skip
        receipt = ledger.recorder.record(request)
        either(json, as_json(receipt), in_words(receipt, f"Corrected: {event_id}"))
