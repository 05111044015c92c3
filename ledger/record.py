"""The one way into the ledger: stamps, checks, widens, flags and deduplicates; *an opt-out is never refused*.

Identities and evidence are stored and acknowledged before the events that need them. A crash between the two
leaves an identity without an event, which the sweeper removes after a day; never an event without its identity.
"""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from ledger.draft import Drafter
from ledger.errors import KeyConflictError, UnavailableError, UnknownEventError
from ledger.leniency import EVENT_ID
from ledger.log import Appended, Conflict, Duplicate, Entry, Log, Outcome, Position
from ledger.past import Past, PastAway
from ledger.people import People
from ledger.reference import References
from ledger.requests import Amend, AnyRequest
from ledger.stamp import Draft
from ledger.stencil import Stencils
from schemas.encoding import decode, encode
from schemas.envelope import Flag
from schemas.errors import InputError, shown
from schemas.events import Event, StatementCorrected


class Receipt(NamedTuple):
    """What became of a request. `duplicate`: it had been recorded before, and this is the first event.

    `also` are the ids of the events of what it reached besides; `follow_ups` those that were opened for a person.
    """

    event_id: str
    recorded_at: int
    position: Position
    idempotency_key: str
    duplicate: bool
    flags: tuple[Flag, ...]
    also: tuple[str, ...]
    follow_ups: tuple[str, ...]


Answers = Callable[[], list[Receipt | InputError]]


def system_clock() -> int:
    """Now, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Recorder:
    """Records requests in a log, with their identities and evidence beside it."""

    def __init__(
        self, log: Log, people: People, references: References, past: Past, clock: Callable[[], int] = system_clock
    ) -> None:
        self._log = log
        self._people = people
        self.references = references
        self._past = past
        self._drafter = Drafter(references, past)
        self._clock = clock

    def record(self, request: AnyRequest) -> Receipt:
        """Records one request durably and says what became of it.

        Raises InputError (RefusedError, KeyConflictError, …) when nothing was recorded because of the input, and
        UnavailableError when nothing was acknowledged and the caller may repeat with the same key.
        """
        [answer] = self.record_all([request])
        if isinstance(answer, InputError):
            raise answer
        return answer

    def record_all(self, requests: Sequence[AnyRequest]) -> list[Receipt | InputError]:
        """Records many requests with two durable writes in all; one that is refused does not take others with it."""
        return self.submit(self.drafts(requests))()

    def drafts(self, requests: Sequence[AnyRequest]) -> list[Draft | InputError]:
        """The first half of `record_all`: what would be stored, or why a request is refused. Stores nothing."""
        now = self._clock()
        stencils = Stencils(self.references, self._past_now(), now)
        return [self._try_draft(request, now, stencils) for request in requests]

    def _past_now(self) -> Past:
        """The past as of this moment, asked once for many requests; or known to be away."""
        try:
            return self._past.at_once()
        except UnavailableError as error:
            return PastAway(error)

    def submit(self, drafts: Sequence[Draft | InputError]) -> Answers:
        """The second half: makes identities and evidence durable, and hands the events to the log.

        What it returns waits, when called, until the events are durable too. May run in another thread while the
        next requests are drafted; calls of one thread are stored in their order. Raises UnavailableError.
        """
        kept = [draft for draft in drafts if isinstance(draft, Draft)]
        self._people.keep(
            [identity for draft in kept for identity in draft.identities],
            [words for draft in kept for words in draft.words],
        )
        entries = [self._entries(draft) for draft in kept]
        stored = self._log.submit([entry for of_draft in entries for entry in of_draft])

        def answers() -> list[Receipt | InputError]:
            outcomes = iter(stored.result())
            sizes = map(len, entries)
            return [
                self._settle(draft, list(islice(outcomes, next(sizes)))) if isinstance(draft, Draft) else draft
                for draft in drafts
            ]

        return answers

    def _try_draft(self, request: AnyRequest, now: int, stencils: Stencils) -> Draft | InputError:
        try:
            if isinstance(request, Amend):
                named = self._named(request.event_id)
                return self._drafter.amend(request, named, self._taken_out(named), now)
            return stencils.draft(request)
        except InputError as error:
            return error

    def _named(self, event_id: str) -> Event:
        """The event of that id; of a repetition in the log, the first, which is the one that counts."""
        found = self._log.find(event_id) if EVENT_ID.fullmatch(event_id) else None
        if found is None:
            raise UnknownEventError(f"no event {shown(event_id)} is in the ledger; nothing was recorded")
        return decode(found.value)

    def _taken_out(self, named: Event) -> Event | None:
        """What a correction of an event takes out in the end; None if it brings something back."""
        brings_back = False
        while isinstance(named, StatementCorrected):
            named, brings_back = self._named(named.corrects), not brings_back
        return None if brings_back else named

    def _entries(self, draft: Draft) -> list[Entry]:
        return [draft.printed.entry] if draft.printed else [self._entry(event) for event in draft.events]

    def _entry(self, event: Event) -> Entry:
        frees = reclaims = None
        if isinstance(event, StatementCorrected):
            frees = event.corrects
            wrong = self._named(event.corrects)
            reclaims = wrong.corrects if isinstance(wrong, StatementCorrected) else None
        return Entry(
            event.subject, encode(event), event.event_id, event.idempotency_key, event.content, frees, reclaims
        )

    def _settle(self, draft: Draft, outcomes: list[Outcome]) -> Receipt | InputError:
        if draft.printed and isinstance(outcomes[0], Appended):
            position, recorded_at = outcomes[0]
            return Receipt(
                draft.printed.entry.event_id, recorded_at, position, draft.given_key, False, draft.flags, (), ()
            )
        draft.unfold()
        conflicts = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Conflict)]
        if not conflicts:
            return self._receipt(draft, outcomes)
        if not draft.lenient:
            first = decode(outcomes[draft.main].first.value)  # type: ignore[union-attr]
            return KeyConflictError(
                f"the idempotency key {draft.given_key[:60]!r} was used before for something else "
                f"(event {first.event_id}, {first.type}); use a new key, or correct that event. Nothing was recorded"
            )
        return self._under_own_keys(draft, outcomes, conflicts)

    def _under_own_keys(self, draft: Draft, outcomes: list[Outcome], conflicts: list[int]) -> Receipt | InputError:
        for place in conflicts:
            again = self._drafter.conflicted(draft, place)
            settled = self._log.append([self._entry(event) for event in again.events])
            outcomes[place] = settled[0]
            draft.events[place], draft.keys[place] = again.events[0], again.keys[0]
            draft.events += again.events[1:]
            outcomes += settled[1:]
        return self._receipt(draft, outcomes)

    def _receipt(self, draft: Draft, outcomes: list[Outcome]) -> Receipt:
        stored = [_stored(event, outcome) for event, outcome in zip(draft.events, outcomes, strict=True)]
        event, recorded_at, position = stored[draft.main]
        ids = [event.event_id for event, _, _ in stored]
        return Receipt(
            event.event_id,
            recorded_at,
            position,
            draft.keys[draft.main],
            isinstance(outcomes[draft.main], Duplicate),
            event.flags,
            tuple(ids[: draft.main]),
            tuple(ids[draft.main + 1 :]),
        )


def _stored(event: Event, outcome: Outcome) -> tuple[Event, int, Position]:
    match outcome:
        case Appended(position, recorded_at):
            return event, recorded_at, position
        case Duplicate(first) | Conflict(first):
            return decode(first.value), first.recorded_at, first.position
