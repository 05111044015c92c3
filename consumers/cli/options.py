"""Options that several commands share, and how their texts become what the ledger takes."""

from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from consumers.bootstrap import open_ledger
from consumers.opened import Ledger
from consumers.settings import load
from ledger.requests import Origin
from schemas.errors import TimeError
from schemas.times import parse_time, time_zone

RECORD, ASK, AUDIT, OPERATE, PEOPLE, RUN = (
    "Record what people say", "Ask before sending", "Audit", "What decisions depend on", "People", "Operations",
)  # fmt: skip

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Subject = Annotated[str, typer.Argument(metavar="SUBJECT", help="+15551234567, account:ID or email:ADDRESS.")]
Contact = Annotated[str, typer.Argument(metavar="CONTACT", help="+15551234567 or email:ADDRESS.")]
Actor = Annotated[str, typer.Option(help="Who speaks: person, agent:ID, system:ID, import:ID or regulator:ID.")]
Procedure = Annotated[str | None, typer.Option(metavar="NAME@VERSION", help="The procedure that was followed.")]
Source = Annotated[str, typer.Option(help="Code of where it came in.")]
Key = Annotated[str | None, typer.Option("--idempotency-key", help="A retry with the same key is recorded once.")]
Evidence = Annotated[str | None, typer.Option(metavar="TEXT", help="The person's own words; kept beside the ledger.")]
Language = Annotated[str | None, typer.Option(help="Of the evidence, a BCP 47 tag.")]
Region = Annotated[str | None, typer.Option(metavar="CC", help="ISO 3166 region for national numbers.")]
Zone = Annotated[str | None, typer.Option("--timezone", metavar="ZONE", help="Of times that have no offset.")]
Occurred = Annotated[
    str | None, typer.Option("--occurred-at", metavar="TIME", help="When it was said; now by default.")
]
Until = Annotated[str | None, typer.Option("--valid-until", metavar="TIME", help="When it runs out.")]
Known = Annotated[str | None, typer.Option("--known-at", metavar="TIME", help="Only what was recorded by then.")]


def opened() -> Ledger:
    """The ledger that the settings name."""
    return open_ledger(load())


def origin(
    actor: str, source: str, procedure: str | None, language: str | None = None, region: str | None = None
) -> Origin:
    """Who asks and how it came in."""
    return Origin(actor=actor, source=source, procedure=procedure, language=language, jurisdiction=region)


def zone(name: str | None) -> ZoneInfo | None:
    """The time zone that a command names. Raises TimeError."""
    return time_zone(name) if name else None


def when(text: str | None, zone_name: str | None) -> int | None:
    """A time option in milliseconds. Raises TimeError."""
    return None if text is None else parse_time(text, zone(zone_name))


def when_or_unclear(text: str | None, zone_name: str | None) -> tuple[int | None, str | None]:
    """As `when`, for an opt-out, which is not refused for its time: None, and what is wrong with it."""
    try:
        return when(text, zone_name), None
    except TimeError as error:
        return None, str(error)
