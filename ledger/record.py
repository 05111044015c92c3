"""The one way into the ledger: stamps, checks, widens, flags and deduplicates; *an opt-out is never refused*.

Identities and evidence are stored and acknowledged before the events that need them. A crash between the two
leaves an identity without an event, which the sweeper removes after a day; never an event without its identity.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.draft import Drafter
from ledger.errors import KeyConflictError, UnknownEventError
from ledger.log import Appended, Conflict, Duplicate, Entry, Log, Outcome, Position
from ledger.past import Past
from ledger.people import People
from ledger.reference import References
from ledger.requests import Amend, Operate, Request
from ledger.stamp import Draft
from schemas.encoding import decode, encode
from schemas.errors import InputError
from schemas.events import Event, Flag, StatementCorrected


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
        self._drafter = Drafter(references, past)
        self._clock = clock

    def record(self, request: Request | Amend | Operate) -> Receipt:
        """Records one request durably and says what became of it.

        Raises InputError (RefusedError, KeyConflictError, …) when nothing was recorded because of the input, and
        UnavailableError when nothing was acknowledged and the caller may repeat with the same key.
        """
        [answer] = self.record_all([request])
        if isinstance(answer, InputError):
            raise answer
        return answer

    def record_all(self, requests: Sequence[Request | Amend | Operate]) -> list[Receipt | InputError]:
        """Records many requests with two durable writes in all; one that is refused does not take others with it."""
        now = self._clock()
        drafts = [self._try_draft(request, now) for request in requests]
        settled = iter(self._store([draft for draft in drafts if isinstance(draft, Draft)]))
        return [next(settled) if isinstance(draft, Draft) else draft for draft in drafts]

    def _try_draft(self, request: Request | Amend | Operate, now: int) -> Draft | InputError:
        try:
            if isinstance(request, Amend):
                return self._drafter.amend(request, self._named(request.event_id), now)
            return self._drafter.draft(request, now)
        except InputError as error:
            return error

    def _named(self, event_id: str) -> Event:
        """The event of that id; of a repetition in the log, the first, which is the one that counts."""
        found = self._log.find(event_id)
        if found is None:
            raise UnknownEventError(f"no event {event_id[:60]!r} is in the ledger; nothing was recorded")
        return decode(found.value)

    def _store(self, drafts: list[Draft]) -> list[Receipt | InputError]:
        self._people.keep(
            [identity for draft in drafts for identity in draft.identities],
            [words for draft in drafts for words in draft.words],
        )
        outcomes = iter(self._log.append([self._entry(event) for draft in drafts for event in draft.events]))
        return [self._settle(draft, [next(outcomes) for _ in draft.events]) for draft in drafts]

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
