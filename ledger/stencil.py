"""Requests that say the same of many subjects, as the rows of a list do: one is drafted in full, and what it became is
a stencil; the others are printed from it, in a fifth of the time and byte for byte as they would have been drafted.

All checks were made on the first; what differs (reference, ids, time, key, digest) is made by us, in a fixed form.
"""

import hashlib
import re
from typing import Final, Literal

import orjson

from ledger.draft import Drafter
from ledger.errors import UnavailableError
from ledger.log import Entry
from ledger.past import Past
from ledger.people import Identity
from ledger.reference import References
from ledger.requests import Grant, Operate, Request, Revoke
from ledger.stamp import Draft, Printed, new_id
from schemas.encoding import content_of, encode
from schemas.policy import Policy

GAPS: Final = ("subject", "event_id", "occurred_at", "idempotency_key", "content")
NAMES_NOBODY: Final = ("import:", "system:", "regulator:")
Shape = tuple[object, ...]


class Stencils:
    """For requests of one moment. What fits no stencil is drafted in full."""

    def __init__(self, references: References, past: Past, now: int) -> None:
        self._drafter = Drafter(references, past)
        self._past = past
        self._references = references
        self._now = now
        self._policies: dict[int, Policy] = {}
        self._made: dict[Shape, Draft | Stencil | Literal[False]] = {}

    def draft(self, request: Request | Operate) -> Draft:
        """See `Drafter.draft`."""
        shape = self._shape(request) if isinstance(request, Revoke | Grant) else None
        if shape is None or not isinstance(request, Request):
            return self._drafter.draft(request, self._now)
        found = self._made.get(shape)
        if found is None:
            draft = self._made[shape] = self._drafter.draft(request, self._now)
            return draft
        if isinstance(found, Draft):  # made when it is used for the first time: most requests come alone
            found = self._made[shape] = stencil(found) or False
        return found.printed(request, self._references) if found else self._drafter.draft(request, self._now)

    def _shape(self, request: Revoke | Grant) -> Shape | None:
        """What requests have in common that become the same but for their subject, time and key; None for others."""
        origin, occurred = request.origin, request.occurred_at
        if request.evidence or not request.idempotency_key or not origin.actor.startswith(NAMES_NOBODY):
            return None
        if isinstance(request, Revoke) and request.subject.is_contact and request.reach != "contact":
            return None  # whom it reaches besides depends on the subject
        policy = None
        if occurred is not None:
            if occurred > self._now or request.valid_until is not None or origin.procedure:
                return None  # what is checked against its time has to be checked each time
            try:
                policy = self._past.policy(occurred)
            except UnavailableError:
                return None
            self._policies[id(policy)] = policy
        basis = request.basis if isinstance(request, Grant) else None
        # Identity is enough for what is kept as long as this call, and saves hashing it a million times.
        return (
            basis, request.subject.kind, id(origin), id(policy), occurred is None, request.time_unclear,
            request.brand, request.channel, request.purpose, request.valid_until,
        )  # fmt: skip


class Stencil:
    """The stored form of an event, and what its digest is made of, in pieces between which the gaps are."""

    def __init__(self, pieces: list[str], content: list[bytes], first: Draft) -> None:
        self._pieces = pieces
        self._content = content
        event = first.events[0]
        self._flags = event.flags
        self._occurred_at = event.occurred_at
        self._lenient = first.lenient
        self._renews = first.identities[0].renews

    def printed(self, request: Request, references: References) -> Draft:
        """The draft of another request of the same shape."""
        kind, id_ = request.subject
        given = str(request.idempotency_key)
        subject = references.of(kind, id_)
        key = references.of("key", f"{subject}/{given}")
        event_id = new_id()
        before, after = self._content
        content = hashlib.sha256(before + subject.encode() + after).hexdigest()[:32]
        occurred = self._occurred_at if request.occurred_at is None else request.occurred_at
        start, to_id, to_time, to_key, to_content, end = self._pieces
        value = f"{start}{subject}{to_id}{event_id}{to_time}{occurred}{to_key}{key}{to_content}{content}{end}"
        entry = Entry(subject, value.encode(), event_id, key, content)
        who = Identity(subject, kind, id_, self._renews)
        return Draft(given, self._lenient, 0, [], [given], Printed(entry, self._flags), [who])


def stencil(draft: Draft) -> Stencil | None:
    """The stencil that a draft leaves; None if more belongs to it than one event about one subject."""
    if len(draft.events) != 1 or len(draft.identities) != 1 or draft.words:
        return None
    event = draft.events[0]
    value = encode(event)
    pieces, rest = list[str](), value.decode()
    for name in GAPS:
        gap = re.search(f'"{name}":"?({getattr(event, name)})[",]', rest)
        if gap is None:
            return None
        pieces.append(rest[: gap.start(1)])
        rest = rest[gap.end(1) :]
    content = content_of(orjson.loads(value)).split(event.subject.encode())
    return Stencil([*pieces, rest], content, draft) if len(content) == 2 else None
