"""The copy that a gateway decides from: ten million contacts in memory, at 40 bytes or less for the common ones.

A base of sorted tables that never change, in a file mapped into memory, and in front of it what has changed since.
`merge` writes a new base with both. Nothing is decided here: the copy gives back what stands of a contact and of its
accounts, and the resolver does not tell it from the projections' own (`tests/consumers/test_replica_answers.py`).

A contact that the copy does not know is told from one that it knows by the first 83 bits of their references: with ten
million contacts a stranger is taken for one of them once in 10^18 questions. Those it knows are told apart exactly.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Self

from consumers.replica import payload
from consumers.replica.base import Base, Said, Watermark, built, merged
from consumers.replica.errors import SnapshotError
from consumers.replica.front import Changes, changes
from consumers.replica.load import Operator
from consumers.replica.table import BITS
from projections.history import Account, Contact
from projections.reference_data import Reference
from projections.statement import Fields
from projections.view import Store

MAX_CACHED = 1 << 14
DROPPED = 500
"""How many changes are dropped at once after a merge, while decisions wait."""
INFINITE = float("inf")
NO_CHANGES = Changes.none()


class Replica:
    """A `Copy` of the projections. One thread applies, one (the same, or another) merges and saves; any may ask."""

    def __init__(self, base: Base, path: Path | None = None) -> None:
        """Of a base; use `load`, `of_parts` or `open`."""
        self.lock = Lock()
        self._writing = Lock()
        self.path = path
        self.notes: dict[str, Any] = dict(base.said.notes)
        self._base = base
        self._changes = Changes.none()
        self._watermark: Watermark = base.said.watermark
        self._operator = base.said.operator
        self.reference = Reference(self._operator)
        self._contacts: dict[bytes, Contact] = {}
        self.accounts = AccountsOf(self)
        self._current_as_of: float | None = None
        self.in_pieces = False
        """Parts are taken as they come: the copy was never as it is at the watermark that it names."""
        self.clock: Callable[[], float] = time.monotonic
        self.lease_until = float("inf")
        """On that clock: past it the copy is as good as one that never was current."""

    # --- making one

    @classmethod
    def load(cls, store: Store, fingerprint: str, bits: int = BITS) -> Self:
        """The copy of a store, as of the watermark that the store had before it was read."""
        watermark = dict(store.watermark())
        return cls.of_parts(store.all_parts(), watermark, fingerprint, bits)

    @classmethod
    def of_parts(
        cls, parts: Iterable[tuple[str, bytes]], watermark: Watermark, fingerprint: str, bits: int = BITS
    ) -> Self:
        """The copy of stored parts, ordered by key. `fingerprint`: of the secret behind the references."""
        with built(parts, bits) as (builder, operator):
            return cls(Base.anonymous(builder, _said(watermark, operator, fingerprint, {})))

    @classmethod
    def open(cls, path: Path, fingerprint: str, check: bool = True) -> Self:
        """Maps a snapshot. `check` reads all of it once, and so brings it into memory.

        Raises SnapshotError for a file that cannot be used, and FileNotFoundError where there is none.
        """
        with path.open("rb") as file:
            base = Base(file, str(path), check)
        if base.said.fingerprint != fingerprint:
            raise SnapshotError(f"{path} was made with another secret; load the copy again")
        return cls(base, path)

    @classmethod
    def of_descriptor(cls, descriptor: int) -> Self:
        """The copy in a file that another process of ours has open, and has checked."""
        with open(descriptor, "rb", closefd=False) as file:
            return cls(Base(file, "the copy", check=False))

    def settled(self) -> Base:
        """Tables with all changes in them, for others to read; this copy stays as it is."""
        with self.lock:
            base, held, operator = self._base, self._changes.copied(), self._operator
            said = _said(self._watermark, operator, base.said.fingerprint, self.notes)
        if base.said.watermark == said.watermark and operator is base.said.operator and not held:
            return base
        with merged(base, held.contacts, held.accounts, None) as builder:
            return Base.anonymous(builder, said)

    def save(self, path: Path) -> None:
        """Writes base and changes to a file, in one step; this copy is in that file from then on."""
        self._rebase(path)

    def merge(self) -> None:
        """Takes the changes into the tables: in the snapshot's file, where the copy has one."""
        if self._changes:
            self._rebase(self.path)

    def _rebase(self, path: Path | None) -> None:
        # Another thread may go on applying. The new tables hold what had changed when they were begun; what has changed
        # since lies in front of them still, and what has not is dropped there, a little at a time.
        with self._writing, self.lock:
            base, held, operator = self._base, self._changes.copied(), self._operator
            said = _said(self._watermark, operator, base.said.fingerprint, self.notes)
        with merged(base, held.contacts, held.accounts, path and path.parent) as builder:
            base = Base.anonymous(builder, said) if path is None else Base.saved(path, builder, said)
        with self._writing, self.lock:
            self._base, self.path = base, path
        for some in held.pieces(DROPPED):
            with self._writing, self.lock:
                self._changes.drop(some)

    # --- keeping it current

    def apply(self, parts: Iterable[Fields], watermark: Mapping[int, int], ready: Changes = NO_CHANGES) -> None:
        """Takes new parts of states, in the order in which they were written, and how far they have come.

        `ready`: changes of other subjects, as `prepared` has made them. Decisions see all of it or nothing. Raises
        OutrunError where parts are missing.
        """
        with self._writing:
            new = changes(parts, self._changes, self._base, self._operator)
            new.take(ready)
            operator = self._operator | new.operator
            with self.lock:
                self._changes.take(new)
                for reference in new.contacts:
                    self._contacts.pop(reference, None)
                if new.accounts:
                    self.accounts.forget()
                if new.operator:
                    self._operator, self.reference = operator, Reference(operator)
                reached = {p: max(offset, self._watermark.get(p, 0)) for p, offset in watermark.items()}
                self._watermark = self._watermark | reached

    @property
    def pending(self) -> int:
        """How many changed subjects wait to be merged; each costs some 500 bytes meanwhile."""
        return len(self._changes)

    def is_current(self, as_of: float | None = None) -> None:
        """The copy holds all that was in the ledger at a time of its clock (by default now)."""
        self._current_as_of = self.clock() if as_of is None else as_of

    def staleness_s(self) -> float:
        """Seconds since the copy was last known to be current; infinite before it ever was, past its lease, and while
        it is in pieces.
        """
        as_of, now = self._current_as_of, self.clock()
        return INFINITE if as_of is None or self.in_pieces or now > self.lease_until else now - as_of

    @property
    def current_as_of(self) -> float | None:
        """When the copy was last known to be current, on its clock, whatever its lease."""
        return self._current_as_of

    def watermark(self) -> Mapping[int, int]:
        """How far the copy has applied each partition."""
        return self._watermark

    # --- asking it

    def operator_parts(self) -> list[Fields]:
        """The parts of the operator's states, which another copy may take."""
        return [part for parts in self._operator.values() for part in parts]

    def contact(self, digest: bytes) -> Contact:
        """What stands of a contact."""
        encoded = self._changes.contacts.get(digest)
        if encoded is None:
            return self._base.contact(digest)
        found = self._contacts.get(digest)
        if found is None:
            found = payload.contact(encoded)
            if len(self._contacts) >= MAX_CACHED:
                self._contacts.clear()
            self._contacts[digest] = found
        return found

    def account_payload(self, prefix: bytes) -> bytes | None:
        """The state of an account, by its reference or the first 10 bytes of it."""
        held = self._changes.accounts.get(prefix) or self._changes.by_prefix.get(prefix)
        return held or self._base.blob("accounts", prefix)

    def items(self) -> Iterator[tuple[str, Contact]]:
        """Every contact with its reference, or its first digits (20) where no more is kept."""
        base, changed = self._base, dict(self._changes.contacts)
        shadowed = {reference.hex()[: base.digits] for reference in changed if not base.is_general(reference)}
        for reference, encoded in changed.items():
            yield reference.hex(), payload.contact(encoded)
        for known, contact in base.contacts():
            is_changed = bytes.fromhex(known) in changed if len(known) == 32 else known in shadowed
            if not is_changed:
                yield known, contact

    @property
    def base(self) -> Base:
        """The tables."""
        return self._base

    @property
    def changed_contacts(self) -> Mapping[bytes, bytes]:
        """The contacts that the tables do not know, or know as they were."""
        return self._changes.contacts

    @property
    def changed_accounts(self) -> Mapping[bytes, bytes]:
        """The accounts that have changed, by the first 10 bytes of their reference."""
        return self._changes.by_prefix


class AccountsOf:
    """The accounts of a replica, by the digits of their reference that a contact of the replica has."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._made: dict[str, Account] = {}

    def get(self, name: str, missing: Account, /) -> Account:
        """What stands of an account."""
        found = self._made.get(name)
        if found is None:
            encoded = self._replica.account_payload(bytes.fromhex(name))
            if encoded is None:
                return missing
            found = payload.account(encoded)
            if len(self._made) >= MAX_CACHED:
                self._made.clear()
            self._made[name] = found
        return found

    def forget(self) -> None:
        """Some account has changed."""
        self._made.clear()


def _said(watermark: Watermark, operator: Operator, fingerprint: str, notes: dict[str, Any]) -> Said:
    policy = Reference(operator).policy(time.time_ns() // 1_000_000).label
    return Said(dict(watermark), operator, fingerprint, policy, notes)
