"""Who had ever said no, and since when the ledger knew: one reading of the log, kept in memory by reference.

Of ten million messages only those to these contacts, and after that moment, can have gone out against a no; so all the
others are passed over for the price of a look into a dictionary. Whether the no stood is for the resolver to say.
"""

from array import array
from collections.abc import Iterator
from typing import Final

import orjson

from ledger.log import Log, Recorded

NO: Final = b'"PreferenceRevoked"'
LINK: Final = b'"ContactLinked"'


class Noes:
    """For each contact that a no of its own or of an account may reach: when the first of them was recorded."""

    def __init__(self, log: Log) -> None:
        """Reads the log once. Raises UnavailableError."""
        self.places: dict[bytes, int] = {}
        """For each of these contacts (16 bytes) its place in `since`."""
        self.since = array("q")
        noes, links = _first_noes(log)
        for account, contacts in links.items():
            if account in noes:
                for contact in contacts:
                    self._add(contact, noes[account])
        for subject, at in noes.items():
            self._add(subject, at)

    def place(self, subject: bytes) -> int:
        """Where the contact stands among these; -1 if it is none of them."""
        return self.places.get(subject, -1)

    def may_stand(self, place: int, at: int) -> bool:
        """Whether one of the noes to a contact had been recorded before a time."""
        return at > self.since[place]

    def _add(self, subject: bytes, at: int) -> None:
        place = self.places.setdefault(subject, len(self.since))
        if place == len(self.since):
            self.since.append(at)
        else:
            self.since[place] = min(self.since[place], at)


class Anybody:
    """Every contact that is named, in place of those of `Noes`: for what is denied without a no of theirs."""

    def __init__(self) -> None:
        self.places: dict[bytes, int] = {}

    def place(self, subject: bytes) -> int:
        """Where the contact stands, from now on."""
        return self.places.setdefault(subject, len(self.places))

    def may_stand(self, _place: int, _at: int) -> bool:
        """Always."""
        return True


def _first_noes(log: Log) -> tuple[dict[bytes, int], dict[bytes, set[bytes]]]:
    """When the first no of each subject was recorded, and the contacts that each account ever had."""
    noes: dict[bytes, int] = {}
    links: dict[bytes, set[bytes]] = {}
    for recorded in _entries(log):
        value = recorded.value
        if NO in value:
            noes.setdefault(_packed(recorded.key), recorded.recorded_at)
        elif LINK in value and (account := _account(value)):
            links.setdefault(_packed(account), set()).add(_packed(recorded.key))
    return noes, links


def _entries(log: Log) -> Iterator[Recorded]:
    for partition, end in log.ends().items():
        yield from log.read(partition, 0, end)


def _account(value: bytes) -> str | None:
    """The account of a link; what is no event may say anything, and `doctor` reports it."""
    try:
        found = orjson.loads(value).get("account")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def _packed(key: str) -> bytes:
    """The bytes of a reference; of a subject of the operator's, or of nonsense, something that no contact has."""
    try:
        return bytes.fromhex(key)
    except ValueError:
        return key.encode()
