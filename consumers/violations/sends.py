"""Messages that went out and might have been against a no: a few bytes of each, since they may be millions."""

from array import array
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import orjson

from consumers.violations.noes import Anybody, Noes
from ledger.decisions import Stored
from schemas.subject import SubjectKind

UNKNOWN: Final = "unknown"
FOREVER: Final = 1 << 62
ALLOWED, DENIED = b'"allowed":true', b'"allowed":false'
NOTHING_MORE: Final = (b'"shadow":false,"rechecks":null}', b'"shadow":false}')
"""How a record ends, as we write it, that is of no shadow mode and takes nothing back."""


class Message(NamedTuple):
    """What many sends have in common. `gateway`: which one sent it, as the record or the file says.

    Where the contact is (`jurisdiction`) makes no difference to a no.
    """

    kind: SubjectKind
    channel: str
    purpose: str
    brand: str
    sender: str | None
    gateway: str
    shadow: bool = False
    jurisdiction: str | None = None


class Send(NamedTuple):
    """A message that went out at a time (milliseconds); `source` is the id of its decision, or a line of a file."""

    subject: bytes
    at: int
    message: Message
    source: str


class Part(NamedTuple):
    """Sends that another process has found, in their order: each column as bytes, messages by their number here."""

    counted: int
    messages: list[Message]
    places: "array[int]"
    times: "array[int]"
    kinds: "array[int]"
    ids: bytes


class Sends:
    """Those that are to be looked at, by contact and time."""

    def __init__(self, noes: Noes | Anybody, since: int = 0, until: int | None = None) -> None:
        """Of what was sent from `since` on and before `until`."""
        self._noes, self._since, self._end = noes, since, FOREVER if until is None else until
        self.place = noes.place
        self.count = 0
        """All that were sent in that time, to anybody."""
        self._begin()
        self._superseded = set[bytes]()
        self.file = ""
        """Of the sends whose source is a line: the file."""

    def _begin(self) -> None:
        self._messages: dict[Message, int] = {}
        self._places, self._times, self._kinds = array("q"), array("q"), array("l")
        self._ids = bytearray()

    @property
    def is_of_anybody(self) -> bool:
        """Whether everybody who is named counts; then it matters where a contact is."""
        return isinstance(self._noes, Anybody)

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
        """A send to a contact that has a place; `source` in 16 bytes."""
        if self._noes.may_stand(place, at):
            self._places.append(place)
            self._times.append(at)
            self._kinds.append(self._messages.setdefault(message, len(self._messages)))
            self._ids += source

    def supersede(self, decision: bytes) -> None:
        """Takes back a send that waited and was asked about again: it went out by the later answer, or not at all.

        `decision`: the id of its decision, a UUIDv7, which begins with its time.
        """
        if decision not in self._superseded:
            self._superseded.add(decision)
            self.count -= self._since <= int.from_bytes(decision[:6]) < self._end

    def emptied(self) -> "Sends":
        """The same contacts and times, and no sends."""
        return Sends(self._noes, self._since, self._end)

    def cut(self) -> Part:
        """What is here, for `join` in another process; it is gone from here."""
        part = Part(self.count, list(self._messages), self._places, self._times, self._kinds, bytes(self._ids))
        self.count = 0
        self._begin()
        return part

    def join(self, part: Part) -> None:
        """Adds what another process has found after all that is here."""
        numbers = [self._messages.setdefault(message, len(self._messages)) for message in part.messages]
        self.count += part.counted
        self._places += part.places
        self._times += part.times
        self._kinds.extend(numbers[kind] for kind in part.kinds)
        self._ids += part.ids

    def by_contact(self) -> Iterator[Send]:
        """In the order of contacts and, of each, of time; a record that stands in the log twice comes once."""
        import numpy as np  # which few commands need

        subjects, messages = list(self._noes.places), list(self._messages)
        places, times = np.frombuffer(self._places, np.int64), np.frombuffer(self._times, np.int64)
        moment, seen = (-1, -1), set[bytes]()
        for number in np.lexsort((times, places)).tolist():
            place, at = self._places[number], self._times[number]
            source = bytes(self._ids[number * 16 : number * 16 + 16])
            if moment != (place, at):
                moment, seen = (place, at), set()
            if source not in seen and source not in self._superseded:
                seen.add(source)
                yield Send(subjects[place], at, messages[self._kinds[number]], self._named(source))

    def _named(self, source: bytes) -> str:
        if source[:8] == bytes(8):
            return f"{self.file}:{int.from_bytes(source)}"
        digits = source.hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def take_decisions(sends: Sends, stored: Iterable[Stored]) -> int:
    """Adds what was allowed, or answered as allowed in shadow mode; returns how many records could not be read.

    Of a message that was asked about again before it was sent only the last answer counts.
    """
    unreadable, passed, place_of = 0, 0, sends.place
    of_all_times = sends.is_of_all_times
    for _, subject, value in stored:
        place = place_of(subject)
        if place < 0 and of_all_times and value.endswith(NOTHING_MORE):
            if ALLOWED in value:
                passed += 1
                continue
            if DENIED in value:
                continue
        try:
            _take(sends, place, orjson.loads(value))
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable += 1
    sends.count += passed
    return unreadable


def _take(sends: Sends, place: int, said: dict[str, Any]) -> None:
    if said.get("rechecks"):
        sends.supersede(_packed(said["rechecks"]))
    if (said["allowed"] or said.get("shadow")) and sends.counts(said["at"]) and place >= 0:
        sends.add(place, said["at"], _message(said), _packed(said["decision_id"]))


def _packed(decision_id: str) -> bytes:
    return bytes.fromhex(decision_id.replace("-", ""))


def _message(said: dict[str, Any]) -> Message:
    return Message(
        said["kind"], said["channel"], said["purpose"], said["brand"], said.get("sender"), said["gateway"],
        bool(said.get("shadow")), said.get("jurisdiction"),
    )  # fmt: skip
