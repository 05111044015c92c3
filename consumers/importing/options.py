"""What a user says about a list: which column is what, what holds for all rows, and how to read numbers and times.

A column whose header is a field's name is that field. Every other column is mapped (`--map number=Phone`) or left
out by name (`--ignore Notes`); an import never guesses what a column means.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args
from zoneinfo import ZoneInfo

import phonenumbers

from ledger.leniency import CODE, LANGUAGE, PROCEDURE
from ledger.stamp import ACTOR
from schemas import subject
from schemas.envelope import LinkReason
from schemas.errors import InputError, shown
from schemas.number import parse_number
from schemas.policy import Basis
from schemas.scope import pattern
from schemas.times import parse_time, time_zone

ACTIONS: Final = ("revoke", "grant", "link", "unlink", "reassign")
SUBJECTS: Final = ("number", "account", "email")
FIELDS: Final = (
    "action", *SUBJECTS, "channel", "purpose", "brand", "occurred_at", "valid_until", "basis", "reason",
    "actor", "procedure", "source", "evidence", "language", "region", "idempotency_key",
)  # fmt: skip
BASES: Final[tuple[str, ...]] = get_args(Basis)
REASONS: Final[tuple[str, ...]] = get_args(LinkReason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`columns` maps fields to columns (names, or 1-based positions where there is no header); `ignored` are columns.

    `grant_brand` is the brand of a grant whose row names none; without it such a row is rejected. `region` is for
    national numbers only and does not become a jurisdiction; the field `region` of a row is for both.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    header: bool = True
    region: str | None = None
    timezone: str | None = None
    rejects: Path | None = None
    dry_run: bool = False
    grant_brand: str | None = None

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of times without an offset. Raises TimeError."""
        return time_zone(self.timezone) if self.timezone else None

    def check(self) -> None:
        """Raises InputError for an option that cannot be meant. Nothing was read."""
        zone = self.zone
        for name in (*self.columns, *self.defaults):
            if name not in FIELDS:
                raise InputError(f"{shown(name)} is no field; the fields are {', '.join(FIELDS)}")
        _region("--region", self.region)
        for name, value in self.defaults.items():
            _check_default(name, value, self.defaults.get("region") or self.region, zone)


def options(
    maps: Sequence[str] = (), defaults: Sequence[str] = (), ignored: Sequence[str] = (), **others: object
) -> Options:
    """From the texts of the command line, `field=column` and `field=value`. Raises InputError."""
    return Options(
        columns=pairs("--map", maps, "field=column"),
        defaults=pairs("--default", defaults, "field=value"),
        ignored=frozenset(ignored),
        **others,  # type: ignore[arg-type]
    )


def pairs(option: str, texts: Sequence[str], form: str) -> dict[str, str]:
    """Texts such as `field=column` by what is before the sign. Raises InputError."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InputError(f"{option} {shown(text)} is not of the form {form}")
        if name in pairs:
            raise InputError(f"{option} says {shown(name)} twice; say it once")
        pairs[name] = value
    return pairs


def _check_default(name: str, value: str, region: str | None, zone: ZoneInfo | None) -> None:
    checks: dict[str, Callable[[str], object]] = {
        "number": lambda text: parse_number(text, region),
        "account": subject.account,
        "email": subject.address,
        "channel": pattern,
        "purpose": pattern,
        "brand": pattern,
        "occurred_at": lambda text: parse_time(text, zone),
        "valid_until": lambda text: parse_time(text, zone),
        "region": lambda text: _region("region", text),
        "action": lambda text: _one_of(text, ACTIONS),
        "basis": lambda text: _one_of(text, BASES),
        "reason": lambda text: _one_of(text, REASONS),
        "source": lambda text: _shaped(CODE.fullmatch(text), text, "a source code such as web-form"),
        "procedure": lambda text: _shaped(PROCEDURE.fullmatch(text), text, "a procedure (NAME@VERSION)"),
        "language": lambda text: _shaped(LANGUAGE.fullmatch(text), text, "a language tag such as fr-CA"),
        "actor": lambda text: _shaped(text == "person" or ACTOR.fullmatch(text), text, "an actor (KIND:ID)"),
    }
    try:
        if name in checks:
            checks[name](value)
    except InputError as error:
        raise InputError(f"--default {name}: {error}") from None


def _one_of(text: str, words: Sequence[str]) -> None:
    if text not in words:
        raise InputError(f"{shown(text)} is none of {', '.join(words)}")


def _shaped(matches: object, text: str, what: str) -> None:
    if not matches:
        raise InputError(f"{shown(text)} is not {what}")


def _region(option: str, text: str | None) -> None:
    if text is not None and text.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise InputError(f"{option}: {shown(text)} is no region; use an ISO 3166 code such as CA")
