"""What a timeline shows besides the events of the ledger: decisions that were made, and when something was in force.

Whoever can tell of such things is a `Happenings`; `consumers/bootstrap/` says who there is on a ledger.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ledger.log import Recorded
from schemas.events import Event


class Happening(NamedTuple):
    """Something that happened outside of the ledger at a time (milliseconds, by the clock of whoever stored it).

    `about`: the event or decision that it is about, by its id; `says` and `details`: it in words, a line each;
    `fields`: what the line of `timeline --json` says besides.
    """

    at: int
    type: str
    about: str | None
    says: str
    details: Sequence[str]
    fields: Mapping[str, Any]


class Happenings(Protocol):
    """Somebody who can tell what happened to a subject besides what its events say."""

    def of(self, ref: str, events: Sequence[tuple[Recorded, Event]]) -> Iterator[Happening]:
        """All that concerns a subject (by reference) and the events of its timeline, in any order.

        Raises UnavailableError.
        """
        ...


def together(sources: Iterable[Happenings], ref: str, events: Sequence[tuple[Recorded, Event]]) -> list[Happening]:
    """What all of them tell, in order. Raises UnavailableError."""
    return sorted((found for source in sources for found in source.of(ref, events)), key=lambda found: found.at)
