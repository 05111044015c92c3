"""A gateway's own log of what it sent: CSV, JSON Lines or Parquet, row by row, read as an import reads its lists.

Columns that are not asked for are passed over: what a gateway logs besides changes nothing here. A row has to say to
whom, when and what; one that does not is rejected with its line and the reason, and the others are looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from consumers.importing.options import pairs
from consumers.importing.readers import Row, reader
from consumers.importing.rejects import Rejects
from consumers.importing.source import opened
from consumers.numbers import parse
from consumers.violations.sends import UNKNOWN, Message, Sends
from ledger.reference import References
from schemas.errors import InputError, shown
from schemas.scope import EVERYTHING, path
from schemas.subject import SubjectKind, address
from schemas.times import parse_time

FIELDS: Final = ("number", "email", "sent_at", "channel", "purpose", "brand", "sender", "gateway")
ABOUT: Final = ("number", "email")
NEEDED: Final = ("sent_at", "channel", "purpose")
BATCH: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """Which column is which field, and what holds for all rows; `brand` and `region` where neither says it."""

    columns: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    brand: str
    region: str | None = None
    zone: ZoneInfo | None = None
    rejects: Path | None = None


def send_options(maps: Sequence[str], defaults: Sequence[str], **others: object) -> SendOptions:
    """From the texts of the command line, `field=column` and `field=value`. Raises InputError."""
    columns, values = pairs("--map", maps, "field=column"), pairs("--default", defaults, "field=value")
    for name in (*columns, *values):
        if name not in FIELDS:
            raise InputError(f"{shown(name)} is no field of a send; the fields are {', '.join(FIELDS)}")
    return SendOptions(columns=columns, defaults=values, **others)  # type: ignore[arg-type]


class Taken(NamedTuple):
    """How many rows a file had, how many could not be understood, and where those are."""

    rows: int
    rejected: int
    rejects_file: Path | None


def take_file(sends: Sends, source: Path, references: References, options: SendOptions) -> Taken:
    """Adds the sends of a file. Raises InputError for a file or a mapping that cannot be meant."""
    file = opened(source)
    found = reader(file, header=True)
    rows = _Rows(sends, references, options, _places(found.columns, options))
    sends.file, count = source.name, 0
    target = options.rejects or source.with_name(f"{source.name}.rejects.csv")
    if target.resolve() == source.resolve():
        raise InputError("the rejects file is the file of sends; name another with --rejects")
    with Rejects(target, found.columns) as rejects:
        reading = found.rows()
        while batch := list(islice(reading, BATCH)):
            count += len(batch)
            for row, reason in rows.take(batch):
                rejects.add(row, reason)
        file.must_be_unchanged("nothing was said about it")
    return Taken(count, rejects.count, target if rejects.count else None)


def _places(columns: Sequence[str], options: SendOptions) -> dict[str, int]:
    """Where each field stands. Raises InputError."""
    places = {name: columns.index(name) for name in FIELDS if name in columns}
    for name, column in options.columns.items():
        if column not in columns:
            raise InputError(f"there is no column {shown(column)}; the file has {', '.join(columns[:20])}")
        places[name] = columns.index(column)
    said = {*places, *options.defaults}
    for what, names in (("whom it went to", ABOUT), *((name, (name,)) for name in NEEDED)):
        if not said.intersection(names):
            raise InputError(
                f"no column says {what}; the file has {', '.join(columns[:20])}. Say --map {names[0]}=COLUMN"
                + ("" if names == ABOUT else f", or --default {names[0]}=VALUE")
            )
    return places


class _Rows:
    """Takes batches of rows: references are made for all numbers of a batch together."""

    def __init__(self, sends: Sends, references: References, options: SendOptions, places: Mapping[str, int]) -> None:
        self._sends, self._references, self._options = sends, references, options
        self._at = [places.get(name, -1) for name in FIELDS]
        self._default = [options.defaults.get(name, "") for name in FIELDS]
        self._message = lru_cache(1 << 14)(self._make_message)

    def take(self, batch: Sequence[Row]) -> Iterator[tuple[Row, str]]:
        """Adds their sends; yields the rows that say none, and why."""
        numbers: list[str] = []
        taken: list[tuple[Row, int, Message]] = []
        for row in batch:
            try:
                contact, at, message = self._understood(row)
            except InputError as error:
                yield row, str(error)
                continue
            if self._sends.counts(at):
                numbers.append(contact)
                taken.append((row, at, message))
        kinds = {message.kind for _, _, message in taken}
        digests = self._digests(numbers, [message.kind for _, _, message in taken], kinds)
        for digest, (row, at, message) in zip(digests, taken, strict=True):
            place = self._sends.place(digest)
            if place >= 0:
                self._sends.add(place, at, message, row.line.to_bytes(16))

    def _digests(self, contacts: list[str], each: list[SubjectKind], kinds: set[SubjectKind]) -> list[bytes]:
        if len(kinds) == 1:
            return self._references.digests(kinds.pop(), contacts)
        return [self._references.digest(kind, contact) for kind, contact in zip(each, contacts, strict=True)]

    def _understood(self, row: Row) -> tuple[str, int, Message]:
        if row.trouble is not None:
            raise InputError(row.trouble)
        cells = row.cells
        number, email, sent_at, channel, purpose, brand, sender, gateway = [
            (cells[place].strip() if place >= 0 else "") or default
            for place, default in zip(self._at, self._default, strict=True)
        ]
        at = parse_time(sent_at, self._options.zone)
        if number:
            if email:
                raise InputError("a send is to one contact, and this row names a number and an address")
            contact, kind = parse(number, self._options.region), "number"
        elif email:
            contact, kind = address(email), "email"
        else:
            raise InputError("the row says neither a number nor an address")
        return contact, at, self._message(kind, channel, purpose, brand, sender, gateway)

    def _make_message(
        self, kind: SubjectKind, channel: str, purpose: str, brand: str, sender: str, gateway: str
    ) -> Message:
        named = brand or self._options.brand
        for what, value in (("channel", channel), ("purpose", purpose), ("brand", named)):
            if not value or value == EVERYTHING:
                raise InputError(f"a message has one {what}, and this row says {shown(value) if value else 'none'}")
            path(value)
        return Message(kind, channel, purpose, named, sender or None, gateway or UNKNOWN)
