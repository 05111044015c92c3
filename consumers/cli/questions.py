"""`decide`, `scrub`, `status`: may this message go out?"""

import time
from pathlib import Path
from typing import Annotated

import typer

from consumers import status as statuses
from consumers.cli.options import ASK, Contact, Json, Region, Subject, Zone, opened, when
from consumers.cli.output import complain, either, progress
from consumers.cli.recording import put_on_record
from consumers.members import contacts_of
from consumers.wording import REASONS, masked
from schemas.subject import parse_contact, parse_subject

Channel = Annotated[str, typer.Option(help="Such as sms.")]
Purpose = Annotated[str, typer.Option(help="Such as marketing.offers.")]
Brand = Annotated[str | None, typer.Option(help="By default PREFLEDGER_BRAND, else the policy's.")]
Sender = Annotated[str | None, typer.Option(help="The identity that the message shows.")]
At = Annotated[str | None, typer.Option(metavar="TIME", help="When it would go out; now by default.")]

Log = Annotated[bool, typer.Option("--log", help="The message goes out if it may: put the decision on record.")]
Rechecks = Annotated[
    str | None,
    typer.Option(metavar="ID", help="The decision after which the message waited, and did not go out; with --log."),
]
GatewayName = Annotated[str, typer.Option("--gateway", metavar="NAME", help="Who sends; with --log.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    app.command(rich_help_panel=ASK)(decide)
    app.command(rich_help_panel=ASK)(scrub)
    app.command(rich_help_panel=ASK)(status)


def decide(
    contact: Contact,
    channel: Channel,
    purpose: Purpose,
    brand: Brand = None,
    sender: Sender = None,
    at: At = None,
    region: Region = None,
    timezone: Zone = None,
    log: Log = False,
    gateway: GatewayName = "cli",
    rechecks: Rechecks = None,
    json: Json = False,
) -> None:
    """May this message go out? Exit code 0 if it may, 1 if not."""
    whom, moment = parse_contact(contact, region), when(at, timezone)
    with opened() as ledger:
        decision = ledger.gate().decide(
            whom, channel=channel, purpose=purpose, brand=brand, sender=sender, at=moment, jurisdiction=region
        )
        if log:  # before it is answered: whoever sends on this answer has it on record
            put_on_record(ledger, [decision], gateway, rechecks)
    words = [
        f"{'Allowed' if decision.allowed else 'Denied'}: {decision.reason} ({REASONS[decision.reason]})",
        f"  {whom.masked}, {channel}, {purpose}, brand {decision.brand}",
        f"  by rule {decision.rule} and policy {decision.policy}",
        *(f"  because of event {event}" for event in decision.evidence),
    ]
    either(json, decision.as_json(), words)
    if not decision.allowed:
        raise typer.Exit(1)


def scrub(
    source: Annotated[Path, typer.Argument(metavar="IN", help="CSV, JSON Lines or Parquet.")],
    allowed: Annotated[Path, typer.Argument(metavar="OUT", help="Rows that may be sent to.")],
    channel: Channel,
    purpose: Purpose,
    denied: Annotated[Path | None, typer.Option(help="Rows that may not, with the reason.")] = None,
    column: Annotated[str, typer.Option(help="The column that holds the contact.")] = "number",
    brand: Brand = None,
    sender: Sender = None,
    at: At = None,
    region: Region = None,
    timezone: Zone = None,
    json: Json = False,
) -> None:
    """The same question for every row of a file. Exit code 1 if some rows are no contacts."""
    from consumers.copies import current_replica  # numpy and pyarrow, which no other command needs
    from consumers.scrub import Wanted, scrub_file

    moment = when(at, timezone)
    with opened() as ledger, progress("scrubbing", None):
        copy = current_replica(ledger)
        wanted = Wanted(
            channel=channel, purpose=purpose, brand=brand or ledger.brand(), sender=sender,
            at=moment if moment is not None else time.time_ns() // 1_000_000, region=region, column=column,
        )  # fmt: skip
        result = scrub_file(source, allowed, denied, copy, ledger.references, wanted)
    words = [f"{result.rows:,} rows: {result.allowed:,} may be sent to, {result.denied:,} may not"]
    words += [f"  {count:>12,}  {reason}" for reason, count in sorted(result.by_reason.items())]
    either(json, result.as_json(), words)
    if result.rejected:
        complain(f"{result.rejected:,} rows are no contacts; they were denied as not_a_contact")
        raise typer.Exit(1)


def status(
    subject: Subject,
    brand: Brand = None,
    at: At = None,
    region: Region = None,
    timezone: Zone = None,
    json: Json = False,
) -> None:
    """What holds for a subject, level by level, in words."""
    whom = parse_subject(subject, region)
    moment = when(at, timezone)
    with opened() as ledger:
        now = time.time_ns() // 1_000_000 if moment is None else moment
        found = statuses.status(ledger.view(), whom, ledger.ref(whom), now, brand or ledger.settings.brand, region)
        names = masked(ledger.people, [level.account for level in found.levels if level.account])
        contacts = None if whom.is_contact else contacts_of(ledger, ledger.ref(whom), complain)
    document, words = statuses.as_json(found, str(whom), names), [*statuses.in_words(found, whom.masked, names)]
    if contacts is not None:
        document |= contacts.as_json()
        words += contacts.in_words()
    either(json, document, words)
