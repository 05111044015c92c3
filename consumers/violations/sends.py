"""Messages that went out and might have been against a no: a few bytes of each, since they may be millions."""

from array import array
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from consumers.violations.noes import Noes
from ledger.decisions import Stored
from schemas.subject import SubjectKind

UNKNOWN: Final = "unknown"
FOREVER: Final = 1 << 62
ALLOWED, DENIED, SHADOW = b'"allowed":true', b'"allowed":false', b'"shadow":true'


class Message(NamedTuple):
    """What many sends have in common. `gateway`: which one sent it, as the record or the file says.

    Where the contact is makes no difference to a no.
    """

    kind: SubjectKind
    channel: str
    purpose: str
    brand: str
    sender: str | None
    gateway: str
    shadow: bool = False


class Send(NamedTuple):
    """A message that went out at a time (milliseconds); `source` is the id of its decision, or a line of a file."""

    subject: bytes
    at: int
    message: Message
    source: str


class Sends:
    """Those that are to be looked at, by contact and time."""

    def __init__(self, noes: Noes, since: int = 0, until: int | None = None) -> None:
        """Of what was sent from `since` on and before `until`."""
        self._noes, self._since, self._end = noes, since, FOREVER if until is None else until
        self.count = 0
        """All that were sent in that time, to anybody."""
        self._messages: dict[Message, int] = {}
        self._places, self._times, self._kinds = array("q"), array("q"), array("l")
        self._ids = bytearray()
        self.file = ""
        """Of the sends whose source is a line: the file."""

    def place(self, subject: bytes) -> int:
        """Where the contact stands among those that ever said no; -1 if it is none of them."""
        return self._noes.places.get(subject, -1)

    @property
    def is_of_all_times(self) -> bool:
        """Whether every send counts, whenever it was."""
        return self._since == 0 and self._end == FOREVER

    def counts(self, at: int) -> bool:
        """Counts a send, if it is of the time that was asked for."""
        if self._since <= at < self._end:
            self.count += 1
            return True
        return False

    def add(self, place: int, at: int, message: Message, source: bytes) -> None:
        """A send to a contact that ever said no; `source` in 16 bytes."""
        if at > self._noes.since[place]:
            self._places.append(place)
            self._times.append(at)
            self._kinds.append(self._messages.setdefault(message, len(self._messages)))
            self._ids += source

    def by_contact(self) -> Iterator[Send]:
        """In the order of contacts and, of each, of time; a record that stands in the log twice comes once."""
        subjects, messages = list(self._noes.places), list(self._messages)
        places, times = np.frombuffer(self._places, np.int64), np.frombuffer(self._times, np.int64)
        moment, seen = (-1, -1), set[bytes]()
        for number in np.lexsort((times, places)).tolist():
            place, at, source = self._places[number], self._times[number], self._ids[number * 16 : number * 16 + 16]
            if moment != (place, at):
                moment, seen = (place, at), set()
            if bytes(source) not in seen:
                seen.add(bytes(source))
                yield Send(subjects[place], at, messages[self._kinds[number]], self._named(bytes(source)))

    def _named(self, source: bytes) -> str:
        if source[:8] == bytes(8):
            return f"{self.file}:{int.from_bytes(source)}"
        digits = source.hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def take_decisions(sends: Sends, stored: Iterable[Stored]) -> int:
    """Adds what was allowed, or answered as allowed in shadow mode; returns how many records could not be read."""
    unreadable = 0
    for one in stored:
        place = sends.place(one.subject)
        if place < 0 and sends.is_of_all_times and _is_plain(one.value):
            sends.count += ALLOWED in one.value
            continue
        try:
            said = orjson.loads(one.value)
            if (said["allowed"] or said.get("shadow")) and sends.counts(said["at"]) and place >= 0:
                sends.add(place, said["at"], _message(said), bytes.fromhex(said["decision_id"].replace("-", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable += 1
    return unreadable


def _is_plain(value: bytes) -> bool:
    """Whether it can be told without reading it whether the message went out: as we write it, in no shadow mode."""
    return (ALLOWED in value or DENIED in value) and SHADOW not in value


def _message(said: dict[str, Any]) -> Message:
    return Message(
        said["kind"], said["channel"], said["purpose"], said["brand"], said.get("sender"), said["gateway"],
        bool(said.get("shadow")),
    )  # fmt: skip
