"""Looking at people: who looked at whom is recorded before anything is shown, and can be listed.

Who looks is known by reference like everybody else; the name behind it lies sealed beside the ledger.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from consumers.opened import Ledger
from consumers.wording import masked
from ledger.stamp import Draft, Stamp
from schemas.times import rfc3339


class Look(NamedTuple):
    """Somebody (`agent:REF`, `system:CODE`, …) looked at something of a reference, at a time in milliseconds."""

    at: int
    ref: str
    by: str
    what: str


def look(ledger: Ledger, ref: str, actor: str, what: str, at: int) -> None:
    """Records a look; call it before showing anything. `actor` as on the command line.

    Raises RefusedError where the actor is none, UnavailableError: then show nothing.
    """
    draft = Draft("look")
    by = Stamp(ledger.references).actor(actor, ref, draft)
    ledger.people.keep(draft.identities)
    ledger.people.looked_at(ref, by, what, at)


def looks(ledger: Ledger, ref: str | None) -> list[Look]:
    """Who looked, in the order in which it was recorded; at one reference or at all."""
    return [Look(*one) for one in ledger.people.looks(ref)]


def named_in(found: Sequence[Look]) -> set[str]:
    """The references of those who looked."""
    return {one.by.partition(":")[2] for one in found if one.by.startswith(("agent:", "person:"))}


def as_lines(ledger: Ledger, found: Sequence[Look]) -> Iterator[dict[str, Any]]:
    """Each look as JSON, people masked: this list is no look itself."""
    names = masked(ledger.people, named_in(found) | {one.ref for one in found})
    for at, ref, by, what in found:
        kind, _, who = by.partition(":")
        by_name = names[who] if kind == "agent" else f"person:{names[who]}" if kind == "person" else by
        yield {"at": rfc3339(at), "by": by_name, "what": what, "subject": names[ref], "ref": ref}
