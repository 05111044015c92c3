"""Requests that say the same of many subjects, as the rows of a list do: one is drafted in full, and what it became is
a stencil; the others are printed from it, in a quarter of the time and byte for byte as they would have been drafted.

All checks were made on the first; what differs (reference, ids, time, key, digest) is made by us, in a fixed form.
"""

import hashlib
import re
from typing import Final

import orjson

from ledger.draft import Drafter
from ledger.errors import UnavailableError
from ledger.log import Entry
from ledger.past import Past
from ledger.people import Identity
from ledger.reference import References
from ledger.requests import Alike, Grant, Operate, Request, Revoke
from ledger.stamp import Draft, Printed, new_id
from schemas.encoding import content_of, encode
from schemas.policy import Policy
from schemas.subject import Subject, SubjectKind

GAPS: Final = ("subject", "event_id", "occurred_at", "idempotency_key", "content")
NAMES_NOBODY: Final = ("import:", "system:", "regulator:")
Shape = tuple[object, ...]


class Stencils:
    """For requests of one moment, which live at least as long. What fits no stencil is drafted in full."""

    def __init__(self, references: References, past: Past, now: int) -> None:
        self._drafter = Drafter(references, past)
        self._past = past
        self._references = references
        self._now = now
        self._policies: dict[int, Policy] = {}
        self._by_shape: dict[Shape, Stencil | None] = {}
        self._by_request: dict[tuple[int, SubjectKind], Stencil] = {}

    def draft(self, request: Request | Alike | Operate) -> Draft:
        """See `Drafter.draft`."""
        if not isinstance(request, Alike):
            return self._drafter.draft(request, self._now)
        subject, like = request
        # Identity is enough for what is kept as long as this call, and saves comparing it a million times.
        place = (id(like), subject.kind)
        found = self._by_request.get(place)
        if found is None:
            shape = self._shape(like, subject)
            found = self._by_shape.get(shape) if shape else None
            if found is None:
                return self._first(request, shape)
            self._by_request[place] = found
        return found.printed(subject, like, self._references)

    def _first(self, request: Alike, shape: Shape | None) -> Draft:
        draft = self._drafter.draft(request.request(), self._now)
        if shape and shape not in self._by_shape:
            self._by_shape[shape] = stencil(draft)
        return draft

    def _shape(self, like: Request, subject: Subject) -> Shape | None:
        """What requests have in common that become the same but for their subject, time and key; None for others."""
        origin, occurred = like.origin, like.occurred_at
        if not isinstance(like, Revoke | Grant) or like.evidence or not like.idempotency_key:
            return None
        if not origin.actor.startswith(NAMES_NOBODY):
            return None
        if isinstance(like, Revoke) and subject.is_contact and like.reach != "contact":
            return None  # whom it reaches besides depends on the subject
        if occurred is not None and (like.time_unclear or like.valid_until is not None or origin.procedure):
            return None  # what is checked against its time has to be checked each time
        if occurred is not None and not 0 <= occurred <= self._now:
            return None
        try:
            policy = None if occurred is None else self._past.policy(occurred)
        except UnavailableError:
            return None
        if policy is not None:
            self._policies[id(policy)] = policy
        return (
            like.basis if isinstance(like, Grant) else None, subject.kind, id(origin), id(policy), occurred is None,
            like.time_unclear, like.brand, like.channel, like.purpose, like.valid_until,
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

    def printed(self, about: Subject, like: Request, references: References) -> Draft:
        """The draft of a request of the same shape."""
        kind, id_ = about
        given = str(like.idempotency_key)
        subject = references.of(kind, id_)
        key = references.of("key", f"{subject}/{given}")
        event_id = new_id()
        before, after = self._content
        content = hashlib.sha256(before + subject.encode() + after).hexdigest()[:32]
        occurred = self._occurred_at if like.occurred_at is None else like.occurred_at
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
