"""A gateway's own log of what it sent: CSV, JSON Lines or Parquet, row by row, read as an import reads its lists.

Columns that are not asked for are passed over: what a gateway logs besides changes nothing here. A row has to say to
whom, when and what; one that does not is rejected with its line and the reason, and the others are looked at.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from consumers.importing.options import pairs
from consumers.importing.readers import Row, reader
from consumers.importing.rejects import Rejects
from consumers.importing.source import opened
from consumers.numbers import LAST, known, parse
from consumers.violations.moments import Moments
from consumers.violations.sends import UNKNOWN, Message, Sends
from ledger.reference import References
from schemas.errors import InputError, shown
from schemas.number import region_of
from schemas.scope import EVERYTHING, path
from schemas.subject import SubjectKind, address

FIELDS: Final = ("number", "email", "sent_at", "channel", "purpose", "brand", "sender", "gateway")
ABOUT: Final = ("number", "email")
NEEDED: Final = ("sent_at", "channel", "purpose")
SAID: Final = ("channel", "purpose", "brand", "sender", "gateway")
BATCH: Final = 8_192
MANY: Final = 1 << 16


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


@lru_cache(MANY)
def _somewhere(message: Message, jurisdiction: str | None) -> Message:
    return message._replace(jurisdiction=jurisdiction)


class _Rows:
    """Takes batches of rows: references are made for all numbers of a batch together."""

    def __init__(self, sends: Sends, references: References, options: SendOptions, places: Mapping[str, int]) -> None:
        self._sends, self._references, self._options = sends, references, options
        self._moment = Moments(options.zone)
        self._places, self._defaults = places, options.defaults
        self._number, self._email, self._sent_at = (places.get(name, -1) for name in (*ABOUT, "sent_at"))
        about = [places[name] for name in SAID if name in places]
        self._said: Callable[[Sequence[str]], object] = itemgetter(*about) if about else lambda _cells: None
        self._messages: dict[object, Message] = {}
        """What rows to numbers say, by their cells: most say the same as one before."""

    def take(self, batch: Sequence[Row]) -> Iterator[tuple[Row, str]]:
        """Adds their sends; yields the rows that say none, and why."""
        contacts: list[str] = []
        taken: list[tuple[Row, int, Message]] = []
        for row in batch:
            try:
                contact, at, message = self._at_once(row) or self._understood(row)
            except InputError as error:
                yield row, str(error)
                continue
            if self._sends.counts(at):
                message = _somewhere(message, region_of(contact)) if self._sends.asks_where else message
                contacts.append(contact)
                taken.append((row, at, message))
        digests = self._digests(contacts, taken)
        for (row, at, message), place in zip(taken, map(self._sends.place, digests), strict=True):
            if place >= 0:
                self._sends.add(place, at, message, row.line.to_bytes(16))

    def _digests(self, contacts: list[str], taken: list[tuple[Row, int, Message]]) -> list[bytes]:
        kinds = {message.kind for _, _, message in taken}
        if len(kinds) == 1:
            return self._references.digests(kinds.pop(), contacts)
        return [self._references.digest(each[2].kind, contact) for contact, each in zip(contacts, taken, strict=True)]

    def _at_once(self, row: Row) -> tuple[str, int, Message] | None:
        """What a row says of which all is known but the number's last digits and the second; None for any other."""
        cells = row.cells
        if row.trouble is not None or self._number < 0 or self._sent_at < 0:
            return None
        number, message = cells[self._number], self._messages.get(self._said(cells))
        if message is None or number[-4:] not in LAST or not known.get(number[:-4]):
            return None
        if self._email >= 0 and cells[self._email]:
            return None
        return number, self._moment(cells[self._sent_at]), message

    def _understood(self, row: Row) -> tuple[str, int, Message]:
        if row.trouble is not None:
            raise InputError(row.trouble)
        said = {name: row.cells[place].strip() for name, place in self._places.items()}
        said = {name: said.get(name) or self._defaults.get(name, "") for name in FIELDS}
        at = self._moment(said["sent_at"])
        if said["number"] and said["email"]:
            raise InputError("a send is to one contact, and this row names a number and an address")
        if said["email"]:
            return address(said["email"]), at, self._message("email", said)
        if not said["number"]:
            raise InputError("the row says neither a number nor an address")
        contact, message = parse(said["number"], self._options.region), self._message("number", said)
        if len(self._messages) < MANY:
            self._messages[self._said(row.cells)] = message
        return contact, at, message

    def _message(self, kind: SubjectKind, said: Mapping[str, str]) -> Message:
        brand = said["brand"] or self._options.brand
        for what, value in (("channel", said["channel"]), ("purpose", said["purpose"]), ("brand", brand)):
            if not value or value == EVERYTHING:
                raise InputError(f"a message has one {what}, and this row says {shown(value) if value else 'none'}")
            path(value)
        sender, gateway = said["sender"] or None, said["gateway"] or UNKNOWN
        return Message(kind, said["channel"], said["purpose"], brand, sender, gateway)
