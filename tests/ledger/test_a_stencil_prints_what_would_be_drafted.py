"""Requests that differ only in subject, time and key are printed from the first: byte for byte what a draft is."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.draft import Drafter
from ledger.errors import RefusedError
from ledger.reference import References
from ledger.requests import Alike, Grant, Origin, Request, Revoke
from ledger.stamp import Draft
from ledger.stencil import Stencils
from schemas.encoding import content_digest, decode
from schemas.subject import Subject
from tests.controls_import import SECRET, PlainPast

NOW = 1_790_000_000_000
SUBJECTS = st.sampled_from(
    [Subject("number", f"+1416555{n:04d}") for n in range(20)]
    + [Subject("account", f'A"%{{}}C-{n}') for n in range(5)]
    + [Subject("email", f"jean{n}@example.org") for n in range(5)]
)
ORIGINS = st.builds(
    Origin,
    actor=st.sampled_from(["import:file", "system:cli", "agent:ann", "person", "%s"]),
    source=st.sampled_from(["import", "a b", "%s"]),
    procedure=st.sampled_from([None, "script@1", "?"]),
    language=st.sampled_from([None, "fr"]),
    jurisdiction=st.sampled_from([None, "CA", "Canada"]),
    correlation_id=st.sampled_from([None, "019a0000-0000-7000-8000-000000000000"]),
    follow_up_each=st.booleans(),
)
SHARED = {
    "subject": SUBJECTS,
    "origin": ORIGINS,
    "occurred_at": st.sampled_from([None, NOW - 5, NOW - 4, NOW + 1, NOW + 9_000_000]),
    "idempotency_key": st.sampled_from(["k1", 'k"%b', None]),
    "evidence": st.sampled_from([None, "words"]),
    "brand": st.sampled_from(["*", "acme", "unknown"]),
    "channel": st.sampled_from(["*", "sms", "fax", '"%b']),
    "purpose": st.sampled_from(["*", "marketing"]),
    "valid_until": st.sampled_from([None, 0, NOW + 5]),
}
REQUESTS: st.SearchStrategy[Request] = st.builds(
    Revoke, time_unclear=st.booleans(), reach=st.sampled_from([None, "contact", "account"]), **SHARED
) | st.builds(Grant, basis=st.sampled_from(["express", "implied"]), **SHARED)


def said(draft: Draft) -> object:
    """All of a draft but for what is made anew each time."""
    draft.unfold()
    anew = {"event_id", "causation_id", "correlation_id", "evidence"} | (
        {"idempotency_key"} if not draft.keys else set()
    )
    events = [event.model_dump(exclude=anew) for event in draft.events]
    return events, draft.keys, draft.identities, draft.lenient, draft.main, draft.flags


@settings(max_examples=300, deadline=None)
@given(REQUESTS, st.lists(SUBJECTS, min_size=1, max_size=4), st.sampled_from([NOW - 3, NOW]))
def test_what_is_printed_is_what_would_be_drafted(request: Request, subjects: list[Subject], time: int) -> None:
    references = References(SECRET)
    drafter, stencils = Drafter(references, PlainPast()), Stencils(references, PlainPast(), NOW)
    for subject in [request.subject, *subjects]:
        alike = replace(request, subject=subject, idempotency_key=request.idempotency_key and f"{subject.id}%")
        if alike.occurred_at is not None:
            alike = replace(alike, occurred_at=min(alike.occurred_at, time))
        try:
            drafted = drafter.draft(alike, NOW)
        except RefusedError:
            return
        printed = stencils.draft(Alike(subject, alike))
        if alike.idempotency_key:
            assert said(printed) == said(drafted)


def test_rows_that_say_the_same_are_printed_and_hold_their_own_ids_and_digest() -> None:
    stencils = Stencils(References(SECRET), PlainPast(), NOW)
    origin = Origin(actor="import:file")
    like = Revoke(subject=Subject("number", ""), origin=origin, idempotency_key="k", reach="contact")
    drafts = [stencils.draft(Alike(Subject("number", f"+1416555{n:04d}"), like)) for n in range(4)]
    assert [draft.printed is not None for draft in drafts] == [False, True, True, True]
    for draft in drafts[1:]:
        assert draft.printed is not None
        event = decode(draft.printed.entry.value)
        assert event.event_id == draft.printed.entry.event_id
        assert event.content == content_digest(event.model_dump(mode="json", exclude_none=True))
        assert event.idempotency_key == draft.printed.entry.claim
    assert len({draft.identities[0].ref for draft in drafts}) == 4


def test_what_reaches_further_or_carries_words_is_never_printed() -> None:
    stencils = Stencils(References(SECRET), PlainPast(), NOW)
    number = Subject("number", "+14165550123")
    for request in (
        Revoke(subject=number, origin=Origin(actor="import:file"), idempotency_key="k", reach="account"),
        Revoke(subject=number, origin=Origin(actor="agent:ann"), idempotency_key="k", reach="contact"),
        Revoke(subject=number, origin=Origin(actor="import:file"), idempotency_key="k", reach="contact", evidence="x"),
        Revoke(subject=number, origin=Origin(actor="import:file"), reach="contact"),
    ):
        assert [stencils.draft(Alike(number, request)).printed for _ in range(3)] == [None, None, None]
