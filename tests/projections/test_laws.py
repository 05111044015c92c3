"""What must hold of every history, whatever it says: laws of the rules of `docs/decision-table.md`."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

import pytest

from ledger.log import Position
from projections.adapters.memory_view import MemoryView
from projections.catch_up import catch_up
from projections.log_view import LogView
from projections.rebuilt import Rebuilt
from projections.view import Histories, View
from schemas.decision import Verdict
from schemas.events import Event, PolicyPublished, PreferenceRevoked, StatementCorrected
from schemas.scope import Scope
from tests.histories import History, history, make_event, partition_of, questions
from tests.projections.folding import asked, view_of
from tests.projections.logged import logged, renumbered
from tests.reference_model import CORRECTABLE, Fact, Message, answer, distinct

SEEDS = range(120)
NARROW = (Scope(), Scope(purpose="marketing"), Scope(brand="acme", channel="sms"), Scope(purpose="service"))


def drawn(seeds: range = SEEDS, events: int = 40) -> Iterator[tuple[Random, History]]:
    """Histories in one partition and in three, each with the generator that goes on drawing for it."""
    for seed in seeds:
        rng = Random(seed)
        yield rng, history(rng, rng.randint(8, events), rng.choice((1, 3)))


def verdicts(view: View, messages: Sequence[Message]) -> list[Verdict]:
    """What the product says of each message."""
    histories = Histories(view)
    return [asked(view, message, histories) for message in messages]


def now(told: History) -> int:
    """A moment at which everything in a history has happened and every policy is in force."""
    effective = [it.event.policy.effective_from for it in told.facts if isinstance(it.event, PolicyPublished)]
    return max(*effective, *(fact.recorded_at for fact in told.facts), 0)


def after(told: History, kind_of_event: str, subject: str, at: int, **said: object) -> Fact:
    """One more fact, recorded last of all, and not before `at`."""
    number = len(told.facts) + 1
    envelope = {
        "kind": kind_of(told, subject),
        "subject": subject,
        "event_id": f"ffffffff-0000-7000-8000-{number:012x}",
    }
    said = {"idempotency_key": f"{number:032x}", "occurred_at": at} | said
    partition = partition_of(subject, told.partitions)
    offset = sum(fact.position.partition == partition for fact in told.facts)
    event = make_event(kind_of_event, **(envelope | said))
    return Fact(Position(partition, offset), max(at, *(fact.recorded_at for fact in told.facts)), event)


def kind_of(told: History, subject: str) -> str:
    """An account, or a number as good as any."""
    return "account" if subject in told.accounts else "number"


def and_then(told: History, *facts: Fact) -> History:
    """The history with more at its end."""
    return told._replace(facts=[*told.facts, *facts])


def anybody(rng: Random, told: History) -> str:
    """A contact or an account."""
    return rng.choice([*told.contacts, *told.accounts])


# --- what a no does


def test_another_no_never_allows_what_was_denied() -> None:
    denied = 0
    for rng, told in drawn():
        subject, at = anybody(rng, told), rng.choice(told.times)
        until = rng.choice((None, rng.choice(told.times)))
        no = after(told, "PreferenceRevoked", subject, at, scope=rng.choice(NARROW), valid_until=until)
        place = rng.randint(0, len(told.facts))
        no = no._replace(recorded_at=told.facts[place - 1].recorded_at)
        more = renumbered([*told.facts[:place], no, *told.facts[place:]])
        asks = questions(rng, told)
        for before, then in zip(verdicts(view_of(told.facts), asks), verdicts(view_of(more), asks), strict=True):
            assert before.allowed or not then.allowed
            denied += before.allowed and not then.allowed
    assert denied > 100


def test_a_no_to_everything_that_is_recorded_now_denies_now_for_the_contact() -> None:
    for rng, told in drawn():
        contact, at = rng.choice(told.contacts), now(told)
        no = after(told, "PreferenceRevoked", contact, at, scope=Scope())
        _all_denied(view_of([*told.facts, no]), rng, told, contact, at)


def test_a_no_to_everything_of_an_account_denies_now_for_every_contact_of_it() -> None:
    linked = 0
    for rng, told in drawn():
        account, at = rng.choice(told.accounts), now(told)
        joined = and_then(told, after(told, "ContactLinked", told.contacts[0], at, account=account))
        no = after(joined, "PreferenceRevoked", account, at, scope=Scope())
        view = view_of([*joined.facts, no])
        histories = Histories(view)
        for contact in told.contacts:
            spells = dict(histories.contact(contact).accounts).get(account, ())
            if spells and spells[-1].left is None:
                linked += 1
                _all_denied(view, rng, told, contact, at)
    assert linked > len(SEEDS)


def _all_denied(view: View, rng: Random, told: History, contact: str, at: int) -> None:
    asks = [ask._replace(contact=contact, at=at) for ask in questions(rng, told, 12)]
    for ask, verdict in zip(asks, verdicts(view, asks), strict=True):
        never = ask.purpose == "service.codes" and verdict.reason in ("never_needs_consent", "sender_unreachable")
        assert not verdict.allowed or never


# --- what a yes does


def test_a_yes_never_denies_anything_to_anybody() -> None:
    allowed = 0
    for rng, told in drawn():
        until = rng.choice((None, rng.choice(told.times)))
        said = {"scope": rng.choice(NARROW), "basis": rng.choice(("express", "implied")), "valid_until": until}
        more = and_then(told, after(told, "PreferenceGranted", anybody(rng, told), rng.choice(told.times), **said))
        asks = questions(rng, told)
        for before, then in zip(verdicts(view_of(told.facts), asks), verdicts(view_of(more.facts), asks), strict=True):
            assert then.allowed or not before.allowed
            allowed += then.allowed and not before.allowed
    assert allowed > 50


def test_a_contacts_yes_changes_nothing_for_any_other_contact() -> None:
    for rng, told in drawn():
        speaker, at = told.contacts[0], rng.choice(told.times)
        more = and_then(told, after(told, "PreferenceGranted", speaker, at, scope=Scope(), basis="express"))
        asks = [ask for ask in questions(rng, told) if ask.contact != speaker]
        assert verdicts(view_of(told.facts), asks) == verdicts(view_of(more.facts), asks)


# --- what time does


def test_time_alone_allows_only_where_a_no_runs_out() -> None:
    """After all that happened and took effect, a yes only ever runs out, and a no does so if it has an end."""
    opened = closed = 0
    for rng, first in drawn(events=30):
        last = now(first)
        brief = {"scope": rng.choice(NARROW), "valid_until": last + 3}
        told = and_then(first, after(first, "PreferenceRevoked", anybody(rng, first), last, **brief))
        noes = [fact.event for fact in told.facts if isinstance(fact.event, PreferenceRevoked)]
        ends = {event.valid_until for event in noes} - {None}
        times = sorted({last, last + 3, last + 4, *(time for time in told.times if time > last)})
        view = view_of(told.facts)
        for ask in questions(rng, told, 12):
            answers = verdicts(view, [ask._replace(at=at) for at in times])
            for place in range(1, len(times)):
                before, then = answers[place - 1].allowed, answers[place].allowed
                runs_out = any(times[place - 1] <= end < times[place] for end in ends if end is not None)
                assert before or not then or runs_out
                opened += then and not before
                closed += before and not then
    assert opened > 20
    assert closed > 20


# --- what leaving does


@pytest.mark.parametrize("move", ["ContactUnlinked", "NumberReassigned"])
def test_leaving_frees_nobody_from_what_staying_denies(move: str) -> None:
    denied = 0
    for rng, told in drawn(range(250)):
        contact, at = rng.choice(told.contacts), now(told) + 1
        account = {"account": rng.choice(told.accounts)} if move == "ContactUnlinked" else {}
        left = and_then(told, after(told, move, contact, at, **account))
        asks = [ask._replace(contact=contact, at=at + rng.choice((0, 1, 5))) for ask in questions(rng, told, 15)]
        for stays, leaves in zip(verdicts(view_of(told.facts), asks), verdicts(view_of(left.facts), asks), strict=True):
            assert stays.allowed or not leaves.allowed
            denied += stays.reason == "revoked_by_account"
    assert denied > 100


def test_a_leaving_that_is_entered_late_lifts_no_denial_by_an_account_at_any_time() -> None:
    for rng, told in drawn(range(250)):
        contact, at = rng.choice(told.contacts), rng.choice(told.times)
        left = and_then(told, after(told, "ContactUnlinked", contact, at, account=rng.choice(told.accounts)))
        asks = [ask._replace(contact=contact) for ask in questions(rng, told, 30)]
        for stays, leaves in zip(verdicts(view_of(told.facts), asks), verdicts(view_of(left.facts), asks), strict=True):
            assert stays.reason != "revoked_by_account" or not leaves.allowed


# --- what a correction does


def test_a_correction_that_is_corrected_never_was() -> None:
    for rng, told in drawn():
        named = [fact for fact in distinct(told.facts) if isinstance(fact.event, CORRECTABLE)]
        if not named:
            continue
        wrong = rng.choice(named).event
        first = after(told, "StatementCorrected", wrong.subject, now(told), corrects=wrong.event_id)
        once = and_then(told, first)
        second = after(once, "StatementCorrected", wrong.subject, now(told), corrects=first.event.event_id)
        asks = questions(rng, told)
        assert verdicts(view_of(told.facts), asks) == verdicts(view_of(and_then(once, second).facts), asks)


def test_a_corrected_event_decides_as_if_it_had_never_been_recorded() -> None:
    """Where no retry came under its key and nobody corrected it before: those are questions of their own."""
    for rng, told in drawn():
        alone = [fact for fact in told.facts if isinstance(fact.event, CORRECTABLE) and _is_alone(fact.event, told)]
        if not alone:
            continue
        wrong = rng.choice(alone)
        corrected = and_then(
            told, after(told, "StatementCorrected", wrong.event.subject, now(told), corrects=wrong.event.event_id)
        )
        without = [fact for fact in told.facts if fact is not wrong]
        asks = questions(rng, told)
        assert verdicts(view_of(corrected.facts), asks) == verdicts(view_of(without), asks)


def _is_alone(event: Event, told: History) -> bool:
    others = [fact.event for fact in told.facts]
    return (
        not isinstance(event, StatementCorrected)
        and sum(other.idempotency_key == event.idempotency_key for other in others) == 1
        and not any(isinstance(other, StatementCorrected) and other.corrects == event.event_id for other in others)
    )


# --- order, repetition, knowledge


def bytes_of(view: MemoryView) -> list[tuple[str, bytes]]:
    """Everything that a store holds, as stored."""
    return list(view.all_parts())


def interleaved(rng: Random, facts: Sequence[Fact]) -> list[Fact]:
    """The facts in another order of the partitions, each in its own order."""
    waiting = {place: [fact for fact in facts if fact.position.partition == place] for place in range(3)}
    order = [fact.position.partition for fact in facts]
    rng.shuffle(order)
    return [waiting[place].pop(0) for place in order]


def delivered_again(rng: Random, facts: Sequence[Fact]) -> list[Fact]:
    """The facts as a consumer gets them that falls back to an earlier offset now and then, and gets some twice."""
    delivered: list[Fact] = []
    for place, fact in enumerate(facts):
        delivered += [fact] * rng.choice((1, 1, 1, 2))
        if rng.random() < 0.1:
            delivered += facts[rng.randint(0, place) : place + 1]
    return delivered


@pytest.mark.parametrize("disturbed", [interleaved, delivered_again])
def test_any_interleaving_and_any_repetition_fold_to_the_same_bytes(
    disturbed: Callable[[Random, Sequence[Fact]], list[Fact]],
) -> None:
    for rng, told in drawn(range(24), events=200):
        expected = bytes_of(view_of(told.facts))
        for batch in (1, 5, 1_000):
            assert bytes_of(view_of(disturbed(rng, told.facts), batch=batch)) == expected


def test_the_size_of_the_batches_does_not_show_in_the_bytes() -> None:
    for rng, told in drawn(range(6), events=400):
        expected = bytes_of(view_of(told.facts, batch=10_000))
        assert all(bytes_of(view_of(told.facts, batch=size)) == expected for size in (1, 2, 64, rng.randint(3, 99)))


def test_catching_up_in_steps_rebuilding_and_reading_the_log_itself_give_the_same_bytes() -> None:
    for rng, told in drawn(range(25), events=150):
        store, partitions = MemoryView(), told.partitions
        for end in sorted(rng.sample(range(len(told.facts)), 3)):
            catch_up(logged(told.facts[:end], partitions), store)
        log = logged(told.facts, partitions)
        catch_up(log, store)
        assert bytes_of(store) == list(Rebuilt(log).all_parts())
        assert store.watermark() == {partition: end for partition, end in log.ends().items() if end}
        reader = LogView(log)
        subjects = {fact.event.subject for fact in told.facts}
        assert all(list(reader.parts(subject)) == list(store.parts(subject)) for subject in subjects)


def test_what_is_decided_at_k_depends_on_nothing_that_was_recorded_after_k() -> None:
    for rng, told in drawn(range(40)):
        cut = rng.randint(0, len(told.facts))
        known = logged(told.facts[:cut], told.partitions).ends()
        asks = questions(rng, told, 10)
        others = [fact for _, other in drawn(range(3)) for fact in other.facts]
        late = [fact._replace(recorded_at=now(told)) for fact in others]
        expected = verdicts(LogView(logged(told.facts[:cut], told.partitions)), asks)
        for log in (logged(told.facts, told.partitions), logged([*told.facts[:cut], *late], told.partitions)):
            assert verdicts(LogView(log, known), asks) == expected


def test_the_reference_model_keeps_these_laws_where_they_are_most_easily_broken() -> None:
    """The laws are laws of the rules, not of the folds: the model, which shares nothing with them, keeps them too."""
    for rng, told in drawn(range(25), events=16):
        contact, at = rng.choice(told.contacts), now(told) + 1
        left = and_then(told, after(told, "ContactUnlinked", contact, at, account=rng.choice(told.accounts)))
        no = and_then(told, after(told, "PreferenceRevoked", anybody(rng, told), at, scope=rng.choice(NARROW)))
        for ask in (drawn_at._replace(contact=contact, at=at) for drawn_at in questions(rng, told, 6)):
            if not answer(told.facts, ask).allowed:
                assert not answer(left.facts, ask).allowed
                assert not answer(no.facts, ask).allowed
