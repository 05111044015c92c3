"""Contacts of the common shapes as rows of a few bytes, and rows as contacts again.

A row keeps what some question may ask of such a contact, and no more: when a statement was recorded, and where, is only
ever set against the statements of *other* subjects, and only for a contact's own grants. So a contact's one revocation
needs neither, nor does a grant of a contact that was never in an account; a grant beside an account goes into the
widest row.
"""

from collections.abc import Callable
from struct import Struct
from typing import Final, NamedTuple

from projections.history import Contact, Said, ScopeKey
from projections.membership import Moment, Spell, Spells

ACCOUNT_BYTES: Final = 10
"""Of an account's reference that a row keeps: with 80 bits, five million accounts collide once in 10^11 ledgers."""
MAX_SHAPES: Final = 1 << 12
SHAPE_BIT: Final = 44  # of a stamp; the bits below hold milliseconds until the year 2527
TIME_MASK: Final = (1 << SHAPE_BIT) - 1
NONE: Final = (1 << 48) - 1  # no time: of a `until`, a `joined`
PARTITIONS: Final = 1 << 16
OFFSETS: Final = 1 << 40

Shape = tuple[bool, ScopeKey, str | None]
"""Whether a statement revokes, its scope, its basis."""

WIDTHS: Final = {"alone": 23, "linked": 39, "member": 16, "wide": 58}
"""Bytes of a row: a statement; one of a contact in an account; an account alone; a statement with all that it has.

statement: event id 16, shape and time 7; account: reference 10, joined 6; the rest: until 6, recorded 6, place 7.
"""


class Row(NamedTuple):
    """A contact as a row of a table."""

    table: str
    record: bytes


class Shapes:
    """The shapes that occur, numbered; there are few, since a scope is one of few."""

    def __init__(self, known: list[Shape] | None = None) -> None:
        self.known: list[Shape] = known or []
        self._numbers = {shape: number for number, shape in enumerate(self.known)}

    def number(self, said: Said) -> int | None:
        """The number of a statement's shape; None where no number is left for it."""
        shape = (said.revokes, said.scope, said.basis)
        found = self._numbers.get(shape)
        return self.of(shape) if found is None and len(self.known) < MAX_SHAPES else found

    def of(self, shape: Shape) -> int:
        """The number of a shape, for which there must be room. Raises ValueError."""
        found = self._numbers.get(shape)
        if found is None:
            if len(self.known) >= MAX_SHAPES:
                raise ValueError(f"there are more than {MAX_SHAPES} shapes of statements")
            found = self._numbers[shape] = len(self.known)
            self.known.append(shape)
        return found


def as_row(contact: Contact, shapes: Shapes) -> Row | None:
    """The row that says all of a contact; None where its shape is not a common one."""
    if contact.holds or contact.reassigned or len(contact.said) > 1 or len(contact.accounts) > 1:
        return None
    link = b""
    if contact.accounts:
        name, spells = contact.accounts[0]
        if len(spells) > 1 or spells[0].left is not None:
            return None
        link = bytes.fromhex(name)[:ACCOUNT_BYTES] + spells[0].joined.to_bytes(6, "little")
    if not contact.said:
        return Row("member", link) if link else None
    return _of_statement(contact.said[0], link, shapes)


def _of_statement(said: Said, link: bytes, shapes: Shapes) -> Row | None:
    shape = shapes.number(said)
    at = said.at
    if shape is None or at.occurred > TIME_MASK:
        return None
    record = event_bytes(said.event_id) + (shape << SHAPE_BIT | at.occurred).to_bytes(7, "little")
    if said.until is None and (said.revokes or not link):
        return Row("linked" if link else "alone", record + link)
    if at.partition >= PARTITIONS or at.offset >= OFFSETS:
        return None
    until = NONE if said.until is None else said.until
    times = until.to_bytes(6, "little") + at.recorded.to_bytes(6, "little")
    place = at.partition.to_bytes(2, "little") + at.offset.to_bytes(5, "little")
    return Row("wide", record + (link or NO_LINK) + times + place)


NO_LINK: Final = bytes(ACCOUNT_BYTES) + NONE.to_bytes(6, "little")
make: Final = tuple.__new__  # of a NamedTuple: half the time of its own constructor, in the path of every decision
integer: Final = int.from_bytes


ALONE: Final = Struct("<16s7s").unpack_from
LINKED: Final = Struct("<16s7s10s6s").unpack_from
MEMBER: Final = Struct("<10s6s").unpack_from
WIDE: Final = Struct("<16s7s10s6s6s6s2s5s").unpack_from


def alone(records: memoryview, row: int, shapes: list[Shape]) -> Contact:
    """A contact with one statement."""
    event, stamp = ALONE(records, row * 23)
    return make(Contact, ((_statement(event, stamp, shapes),), (), (), ()))


def linked(records: memoryview, row: int, shapes: list[Shape]) -> Contact:
    """A contact with one statement, in an account."""
    event, stamp, account, joined = LINKED(records, row * 39)
    return make(Contact, ((_statement(event, stamp, shapes),), (), (_account(account, joined),), ()))


def member(records: memoryview, row: int, _shapes: list[Shape]) -> Contact:
    """A contact in an account that said nothing itself."""
    account, joined = MEMBER(records, row * 16)
    return make(Contact, ((), (), (_account(account, joined),), ()))


def wide(records: memoryview, row: int, shapes: list[Shape]) -> Contact:
    """A contact with one statement of which everything is kept."""
    event, stamp, account, joined, *rest = WIDE(records, row * 58)
    until, recorded, partition, offset = (integer(each, "little") for each in rest)
    said = _statement(event, stamp, shapes)
    at = Moment(said.at.occurred, recorded, partition, offset)
    accounts = () if account + joined == NO_LINK else (_account(account, joined),)
    return Contact((said._replace(at=at, until=None if until == NONE else until),), (), accounts, ())


CONTACTS: Final[dict[str, Callable[[memoryview, int, list[Shape]], Contact]]] = {
    "alone": alone, "linked": linked, "member": member, "wide": wide,
}  # fmt: skip


def _statement(event: bytes, stamp: bytes, shapes: list[Shape]) -> Said:
    shape_and_time = integer(stamp, "little")
    revokes, scope, basis = shapes[shape_and_time >> SHAPE_BIT]
    at = make(Moment, (shape_and_time & TIME_MASK, 0, 0, 0))
    digits = event.hex()
    event_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return make(Said, (revokes, scope, at, None, basis, event_id))


def _account(account: bytes, joined: bytes) -> tuple[str, Spells]:
    return account.hex(), (make(Spell, (integer(joined, "little"), None)),)


def event_bytes(event_id: str) -> bytes:
    """An event id as its 16 bytes."""
    return bytes.fromhex(event_id.replace("-", ""))
