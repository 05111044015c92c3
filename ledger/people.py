"""The port of the erasable stores beside the log: identities and evidence (`docs/privacy.md`).

They are written and acknowledged before the event that needs them, and are all that an erasure has to remove.
`tests/contracts/people.py` holds every adapter to this.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol


class Identity(NamedTuple):
    """Who is behind a reference. `renews`: the person said yes, so that an erasure no longer forbids keeping it."""

    ref: str
    kind: str
    id: str
    renews: bool = False


class Words(NamedTuple):
    """The verbatim evidence of one event and the salt of its commitment."""

    ref: str
    event_id: str
    salt: bytes
    text: str
    media: str | None = None


class People(Protocol):
    """The erasable stores. Safe to use from several threads and processes."""

    def keep(self, identities: Sequence[Identity], evidence: Sequence[Words] = ()) -> None:
        """Stores identities and evidence durably, in one atomic step, encrypted; known ones stay as they are.

        A reference that was erased takes no identity and no evidence again, except where `renews` is set.
        Raises UnavailableError (NoRoomError for a full disk) when nothing was stored.
        """
        ...

    def identity(self, ref: str) -> Identity | None:
        """Who is behind a reference, or None if unknown or erased."""
        ...

    def identities(self, refs: Iterable[str]) -> dict[str, Identity]:
        """Those of the references that are known."""
        ...

    def all_refs(self) -> Iterator[str]:
        """Every reference with an identity."""
        ...

    def evidence(self, ref: str, event_id: str) -> Words | None:
        """The words behind one event, or None if there are none or they were erased."""
        ...

    def erase(self, ref: str) -> int:
        """Removes identity and evidence of a reference so that no byte of them can be recovered from the store,
        and remembers (by reference only) that it did. Returns how many records went. Repeatable."""
        ...

    def forget(self, ref: str) -> int:
        """As `erase`, but does not remember it: for an identity whose event never came. Returns how many went."""
        ...

    def see_to_removal(self) -> None:
        """Does what has to be done once a day for what was erased to leave the disks in the time that
        `docs/privacy.md` states. Repeatable. Raises UnavailableError."""
        ...

    def kept_before(self, at: int) -> Iterator[str]:
        """References whose identity was stored before a time (milliseconds)."""
        ...

    def looked_at(self, ref: str, by: str, what: str, at: int) -> None:
        """Records that somebody looked at an identity or at evidence."""
        ...

    def looks(self, ref: str | None = None) -> Iterator[tuple[int, str, str, str]]:
        """Who looked: (at, ref, by, what), oldest first; of one reference or of all."""
        ...

    def close(self) -> None:
        """Lets go of the store. Repeatable."""
        ...
