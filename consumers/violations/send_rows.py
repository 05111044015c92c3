"""Rows of a gateway's own log as sends: to whom, when and what; or why a row says none."""

import gc
import marshal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from consumers.importing.readers import Row
from consumers.numbers import LAST, known, parse
from consumers.violations.moments import Moments
from consumers.violations.sends import UNKNOWN, Message, Part, Sends
from ledger.reference import References
from schemas.errors import InputError, shown
from schemas.number import region_of
from schemas.scope import EVERYTHING, path
from schemas.subject import SubjectKind, address

FIELDS: Final = ("number", "email", "sent_at", "channel", "purpose", "brand", "sender", "gateway")
ABOUT: Final = ("number", "email")
SAID: Final = ("channel", "purpose", "brand", "sender", "gateway")
MANY: Final = 1 << 16
Rejected = list[tuple[int, str]]
"""Which rows of a batch say no send, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """Which column is which field, and what holds for all rows; `brand` and `region` where neither says it."""

    columns: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    brand: str
    region: str | None = None
    zone: ZoneInfo | None = None
    rejects: Path | None = None


@lru_cache(MANY)
def _somewhere(message: Message, jurisdiction: str | None) -> Message:
    return message._replace(jurisdiction=jurisdiction)


class Rows:
    """Takes batches of rows: references are made for all numbers of a batch together."""

    def __init__(self, sends: Sends, references: References, options: SendOptions, places: Mapping[str, int]) -> None:
        self.sends = sends
        self._made_from = references, options, places
        self._references, self._options = references, options
        self._moment = Moments(options.zone)
        self._places, self._defaults = places, options.defaults
        self._number, self._email, self._sent_at = (places.get(name, -1) for name in (*ABOUT, "sent_at"))
        about = [places[name] for name in SAID if name in places]
        self._said: Callable[[Sequence[str]], object] = itemgetter(*about) if about else lambda _cells: None
        self._messages: dict[object, Message] = {}
        """What rows to numbers say, by their cells: most say the same as one before."""

    def __reduce__(self) -> tuple[type["Rows"], tuple[Any, ...]]:
        """Another process begins with the same contacts, and with no sends."""
        return Rows, (self.sends.emptied(), *self._made_from)

    def take(self, batch: Sequence[Row]) -> Rejected:
        """Adds their sends; returns the rows that say none."""
        rejected: Rejected = []
        contacts: list[str] = []
        taken: list[tuple[Row, int, Message]] = []
        for place, row in enumerate(batch):
            try:
                contact, at, message = self._at_once(row) or self._understood(row)
            except InputError as error:
                rejected.append((place, str(error)))
                continue
            if self.sends.counts(at):
                if self.sends.is_of_anybody and message.kind == "number":
                    message = _somewhere(message, region_of(contact))
                contacts.append(contact)
                taken.append((row, at, message))
        digests = self._digests(contacts, taken)
        for (row, at, message), place in zip(taken, map(self.sends.place, digests), strict=True):
            if place >= 0:
                self.sends.add(place, at, message, row.line.to_bytes(16))
        return rejected

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


def packed(batch: Sequence[Row]) -> bytes:
    """A batch on its way to another process: a tenth of the time that pickle takes for as many small texts."""
    return marshal.dumps([tuple(row) for row in batch])


def elsewhere(rows: Rows) -> Callable[[bytes], tuple[Part, Rejected]]:
    """What another process makes of a packed batch."""
    gc.disable()  # rows by the million, which hold no circles

    def take(batch: bytes) -> tuple[Part, Rejected]:
        rejected = rows.take(list(map(Row._make, marshal.loads(batch))))  # noqa: S302 - from our own parent
        return rows.sends.cut(), rejected

    return take
