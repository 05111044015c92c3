"""What has changed since the tables were written, as payloads by reference."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from consumers.replica import payload
from consumers.replica.base import Base
from consumers.replica.errors import OutrunError
from consumers.replica.load import ASKED, Operator
from consumers.replica.rows import ACCOUNT_BYTES
from projections import history
from projections.statement import Fields


@dataclass(frozen=True, slots=True)
class Changes:
    """New states of some subjects. Accounts are found by the first bytes of their reference too."""

    contacts: dict[bytes, bytes]
    accounts: dict[bytes, bytes]
    by_prefix: dict[bytes, bytes]
    operator: Operator

    @classmethod
    def none(cls) -> "Changes":
        """Nothing has changed."""
        return cls({}, {}, {}, {})

    def copied(self) -> "Changes":
        """The changes up to now, which do not change any more."""
        return Changes(dict(self.contacts), dict(self.accounts), dict(self.by_prefix), dict(self.operator))

    def take(self, later: "Changes") -> None:
        """Takes over what has changed since."""
        self.contacts.update(later.contacts)
        self.accounts.update(later.accounts)
        self.by_prefix.update(later.by_prefix)

    def pieces(self, size: int) -> "Iterator[Changes]":
        """The same changes, so many at a time."""
        contacts, accounts = iter(self.contacts.items()), iter(self.accounts.items())
        while some := dict(islice(contacts, size)):
            yield Changes(some, {}, {}, {})
        while some := dict(islice(accounts, size)):
            yield Changes({}, some, {reference[:ACCOUNT_BYTES]: each for reference, each in some.items()}, {})

    def drop(self, held: "Changes") -> None:
        """Forgets what is held elsewhere; not what has changed since."""
        for mine, theirs in (
            (self.contacts, held.contacts), (self.accounts, held.accounts), (self.by_prefix, held.by_prefix),
        ):  # fmt: skip
            for reference, encoded in theirs.items():
                if mine.get(reference) is encoded:
                    del mine[reference]

    def __len__(self) -> int:
        return len(self.contacts) + len(self.accounts)


def prepared(parts: Sequence[Fields]) -> tuple[Changes, Sequence[Fields]]:
    """Of these parts, in order, the changes that are the same whatever a copy holds; and the parts that are left.

    Another process may do this, and nearly all the work is in it. A subject of several parts is joined with those that
    a copy holds; where there is one, all parts are left, so that nothing comes out of order.
    """
    ready = Changes.none()
    if any(part["kind"] != "operator" and part.get("parts") != 1 for part in parts):
        return ready, parts
    left = []
    for part in parts:
        if part["kind"] == "operator":
            left.append(part)
        elif part["kind"] == "account":
            reference = bytes.fromhex(part["subject"])
            encoded = _alone(part)
            ready.accounts[reference] = ready.by_prefix[reference[:ACCOUNT_BYTES]] = encoded
        else:
            ready.contacts[bytes.fromhex(part["subject"])] = _alone(part)
    return ready, left


def changes(parts: Iterable[Fields], before: Changes, base: Base, operator: Operator) -> Changes:
    """The new states of the subjects whose parts came. Raises OutrunError."""
    new = Changes.none()
    for part in parts:
        subject, kind = part["subject"], part["kind"]
        if kind == "operator":
            if subject in ASKED:
                new.operator[subject] = _with(part, new.operator.get(subject) or operator.get(subject, []))
            continue
        reference = bytes.fromhex(subject)
        if kind == "account":
            encoded = _changed(part, reference, "accounts", new.accounts, before.accounts, base)
            new.accounts[reference] = new.by_prefix[reference[:ACCOUNT_BYTES]] = encoded
        else:
            new.contacts[reference] = _changed(part, reference, "general", new.contacts, before.contacts, base)
    return new


def _with(part: Fields, held: list[Fields]) -> list[Fields]:
    parts = {each["part"]: each for each in [*held, part]}
    return [parts[number] for number in sorted(parts)]


def _changed(
    part: Fields, reference: bytes, table: str, new: dict[bytes, bytes], before: dict[bytes, bytes], base: Base
) -> bytes:
    if part.get("parts") == 1:
        return _alone(part)
    held = new.get(reference) or before.get(reference) or base.blob(table, reference)
    parts = payload.parts_of(held) if held is not None else None
    is_known = held is not None or (table == "general" and base.knows(reference))
    if parts is None and is_known and part["part"] != 0:
        raise OutrunError(f"part {part['part']} of a state came before the parts that it follows; load the copy again")
    return payload.of_parts((parts or {}) | {part["part"]: part})


def _alone(part: Fields) -> bytes:
    """What stands of a subject that has one part."""
    return payload.of_history(history.account([part]) if part["kind"] == "account" else history.contact([part]))
