"""A replica answers what the states themselves answer: loaded, changed in front, merged, saved, opened again."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from consumers.copy import Copy, answer
from consumers.replica import Replica
from ledger.log import Position
from projections.adapters.memory_view import MemoryView
from projections.question import Coverage, Question
from projections.view import Histories
from tests.consumers.asking import NOW, NUMBER, OTHER, REFERENCES, Facts, digest, told
from tests.histories import History, history, questions
from tests.projections.folding import asked, view_of
from tests.reference_model import Message

SECRET = REFERENCES.fingerprint
BITS = 6
SEEDS = 240


def question_of(copy: Copy, message: Message) -> Question:
    coverage = Coverage(message.brand, message.channel, message.purpose)
    policy = copy.reference.policy(message.at)
    return Question(
        policy, message.at, coverage, message.channel, message.purpose, message.sender, message.jurisdiction
    )


def differences(copy: Copy, view: MemoryView, messages: list[Message]) -> list[Message]:
    histories = Histories(view)
    return [
        message
        for message in messages
        if answer(copy, bytes.fromhex(message.contact), question_of(copy, message)) != asked(view, message, histories)
    ]


def loaded(view: MemoryView) -> Replica:
    return Replica.load(view, SECRET, bits=BITS)


def half(told: History) -> tuple[MemoryView, list[dict[str, object]], MemoryView]:
    """The states after half of a history, the parts that the other half changes, and the states after it."""
    middle = len(told.facts) // 2
    before, after = view_of(told.facts[:middle]), view_of(told.facts)
    subjects = {fact.event.subject for fact in told.facts[middle:]}
    parts = [part for subject in sorted(subjects) for part in after.parts(subject)]
    return before, parts, after


def as_loaded(_replica: Replica, _path: Path) -> Replica:
    return _replica


def merged(replica: Replica, _path: Path) -> Replica:
    replica.merge()
    assert replica.pending == 0
    return replica


def saved_and_opened(replica: Replica, path: Path) -> Replica:
    replica.save(path / "replica")
    return Replica.open(path / "replica", SECRET)


@pytest.mark.parametrize("seed", range(0, SEEDS, 40))
def test_a_loaded_replica_answers_as_its_states_do(seed: int) -> None:
    for number in range(seed, seed + 40):
        rng = Random(number)
        story = history(rng, events=rng.randint(3, 45), partitions=rng.choice((1, 3)))
        view = view_of(story.facts)
        messages = questions(rng, story)
        assert differences(loaded(view), view, messages) == [], number


@pytest.mark.parametrize("then", [as_loaded, merged, saved_and_opened])
@pytest.mark.parametrize("seed", range(1000, 1000 + SEEDS // 2, 60))
def test_a_changed_replica_answers_as_the_changed_states_do(
    seed: int, then: Callable[[Replica, Path], Replica], tmp_path: Path
) -> None:
    for number in range(seed, seed + 60):
        rng = Random(number)
        story = history(rng, events=rng.randint(3, 45), partitions=rng.choice((1, 3)))
        before, parts, after = half(story)
        replica = loaded(before)
        replica.apply(parts, after.watermark())  # type: ignore[arg-type]
        replica = then(replica, tmp_path)
        assert replica.watermark() == after.watermark()
        assert differences(replica, after, questions(rng, story)) == [], number


@pytest.mark.parametrize("seed", range(2000, 2004))
def test_many_contacts_of_many_histories_live_in_one_replica(seed: int) -> None:
    """Thousands of contacts, each of its own history, changed and merged again and again."""
    rng = Random(seed)
    stories = [history(rng, events=rng.randint(3, 20)) for _ in range(250)]
    replica = loaded(MemoryView())
    views = [view_of(story.facts) for story in stories]
    for place, (story, view) in enumerate(zip(stories, views, strict=True)):
        subjects = [*story.contacts, *story.accounts]
        replica.apply([part for subject in subjects for part in view.parts(subject)], {})
        if place % 60 == 59:
            replica.merge()
    kept = len(replica.base.tables)
    assert kept >= 4  # common shapes and uncommon ones
    policy = Histories(view_of(told([]).facts)).reference
    for story, view in zip(stories, views, strict=True):
        histories = Histories(view)
        histories.reference = policy
        replica.reference = policy
        for message in questions(rng, story, 10):
            expected = asked(view, message, histories)
            assert answer(replica, bytes.fromhex(message.contact), question_of(replica, message)) == expected


def test_every_contact_is_walked_once_whether_it_has_changed_or_not() -> None:
    rng = Random(5)
    stories = [history(rng, events=15) for _ in range(100)]
    views = [view_of(story.facts) for story in stories]
    replica = loaded(MemoryView())
    for at, (story, view) in enumerate(zip(stories, views, strict=True)):
        replica.apply([part for ref in (*story.contacts, *story.accounts) for part in view.parts(ref)], {})
        if at == 50:
            replica.merge()
    replica.apply([part for part in views[3].parts(stories[3].contacts[0])], {})
    expected = {
        ref: Histories(view).contact(ref)
        for story, view in zip(stories, views, strict=True)
        for ref in story.contacts
        if view.parts(ref)
    }
    walked = list(replica.items())
    found = {next(ref for ref in expected if ref.startswith(known)) for known, _ in walked}
    assert len(walked) == len(found)
    assert found == expected.keys()


def test_two_contacts_that_a_row_cannot_tell_apart_are_told_apart() -> None:
    """References that agree in their first 12 bytes: loaded, changed, merged."""
    rng = Random(11)
    for number in range(60):
        story = history(rng, events=rng.randint(6, 40))
        twins = {ref: "ab" * 12 + f"{place:08x}" for place, ref in enumerate(story.contacts)}
        facts = [
            fact._replace(event=fact.event.model_copy(update={"subject": twins[fact.event.subject]}))
            if fact.event.subject in twins
            else fact
            for fact in story.facts
        ]
        crafted = story._replace(facts=facts, contacts=list(twins.values()))
        view = view_of(facts)
        messages = [message for message in questions(rng, crafted) if view.parts(message.contact)]
        replica = loaded(view)
        assert differences(replica, view, messages) == [], number
        for _ in range(4):
            some = rng.sample(crafted.contacts, rng.randint(1, len(crafted.contacts)))
            replica.apply([part for ref in some for part in view.parts(ref)], {})
            replica.merge()
            assert differences(replica, view, messages) == [], number
        walked = [known for known, _ in replica.items()]
        assert len(walked) == len(set(walked))


def test_contacts_that_a_row_cannot_tell_apart_come_and_change_in_any_order() -> None:
    """Each of many with one revocation: all rows are compact, and only one of the twins may have one."""
    rng = Random(12)
    for _ in range(40):
        twins = [f"{'cd' * 12}{place:08x}" for place in range(5)]
        facts = told([("PreferenceRevoked", "number", f"+1416555010{place}", {}) for place in range(5)]).facts
        renamed = [
            fact._replace(event=fact.event.model_copy(update={"subject": twins[place - 1]})) if place else fact
            for place, fact in enumerate(facts)
        ]
        view = view_of(renamed)
        replica = loaded(view_of(renamed[: rng.randint(1, 6)]))
        replica.apply([part for ref in twins for part in view.parts(ref)], view.watermark())
        for _ in range(4):
            replica.merge()
            known = {known for known, _ in replica.items()}
            assert len(known) == len(twins)
            for ref in twins:
                said = replica.contact(bytes.fromhex(ref)).said
                assert [each.event_id for each in said] == [Histories(view).contact(ref).said[0].event_id]
            some = rng.sample(twins, rng.randint(1, 5))
            replica.apply([part for ref in some for part in view.parts(ref)], {})


def test_a_state_of_several_parts_is_kept_whole_and_goes_on_from_its_last_part() -> None:
    facts = Facts()
    for place in range(70):
        facts.says("PreferenceRevoked" if place % 2 else "PreferenceGranted", "number", NUMBER)
    replica = loaded(facts.view())
    for _ in range(60):
        facts.says("PreferenceGranted", "number", NUMBER)
    after = facts.view()
    replica.apply(after.parts(REFERENCES.of("number", NUMBER)), after.watermark())
    assert replica.contact(digest("number", NUMBER)) == Histories(after).contact(REFERENCES.of("number", NUMBER))
    replica.merge()
    facts.says("PreferenceRevoked", "number", NUMBER)
    after = facts.view()
    replica.apply([after.parts(REFERENCES.of("number", NUMBER))[-1]], after.watermark())
    assert replica.contact(digest("number", NUMBER)) == Histories(after).contact(REFERENCES.of("number", NUMBER))


def test_an_account_that_says_nothing_costs_nothing_and_one_that_does_reaches_all_its_numbers() -> None:
    facts = Facts()
    for contact in (NUMBER, OTHER):
        facts.says("ContactLinked", "number", contact, account="ACC-1")
    view = facts.view()
    replica = loaded(view)
    assert "accounts" not in replica.base.tables
    no = facts.says("PreferenceRevoked", "account", "ACC-1")
    after = facts.view()
    for then in (as_loaded, merged):
        replica.apply(after.parts(REFERENCES.of("account", "ACC-1")), after.watermark())
        replica = then(replica, Path())
        for contact in (NUMBER, OTHER):
            message = Message(digest("number", contact).hex(), "sms", "marketing", "acme", None, None, NOW)
            verdict = answer(replica, digest("number", contact), question_of(replica, message))
            assert (verdict.reason, verdict.evidence) == ("revoked_by_account", (no,))


def test_what_lies_outside_the_rows_is_kept_all_the_same() -> None:
    """Times, partitions, offsets and scopes beyond what a row can hold."""
    facts = Facts()
    facts.says("ContactLinked", "number", NUMBER, account="ACC-1")
    facts.says("PreferenceGranted", "number", NUMBER)
    far = facts.facts[-1]
    facts.facts[-1] = far._replace(position=Position(0, (1 << 40) + 5))
    late = facts.facts[-1].event.model_copy(
        update={"subject": REFERENCES.of("number", OTHER), "occurred_at": 1 << 45, "event_id": far.event.event_id}
    )
    facts.facts.append(far._replace(position=Position(0, (1 << 40) + 6), recorded_at=1 << 45, event=late))
    view = view_of(facts.facts)
    replica = loaded(view)
    for contact in (NUMBER, OTHER):
        ref = REFERENCES.of("number", contact)
        assert replica.contact(bytes.fromhex(ref)) == Histories(view).contact(ref)
        assert replica.base.is_general(bytes.fromhex(ref))
