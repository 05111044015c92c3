"""Turn by turn, in any sizes, the rows come to what one fold of the whole log makes; and that is what the gate says."""

from contextlib import suppress
from random import Random

import pytest

from consumers.projector.applying import apply, fold_in
from consumers.projector.following import Projector, next_batch
from ledger.log import Log
from projections.adapters.read_model_versions import upgrade
from projections.adapters.sql_read_models import SqlReadModels
from projections.levels import own
from projections.question import Coverage, Question
from projections.rebuilt import Rebuilt
from projections.view import Histories
from tests.consumers.projector.rows import expected, stored
from tests.databases import empty
from tests.histories import START, history, make_event
from tests.projections.folding import asked
from tests.projections.logged import logged
from tests.reference_model import Message


def by_turns(log: Log, models: SqlReadModels, rng: Random, clock: list[int]) -> None:
    """A few events a turn, at a time that goes on from turn to turn."""
    ends = log.ends()
    while True:
        seen = models.positions()
        batch, reached = next_batch(log, seen, ends, clock[0], many=rng.randint(1, 12))
        if not reached:
            return
        clock[0] = max([clock[0], *(place.recorded_at for place in reached.values())])
        assert apply(models, batch, seen, reached, clock[0])


@pytest.mark.parametrize("block", range(2))
def test_after_any_turns_the_rows_are_those_of_one_fold(url: str, models: SqlReadModels, block: int) -> None:
    for seed in range(block * 7, block * 7 + 7):
        rng = Random(seed)
        told = history(rng, events=rng.randint(5, 60), partitions=rng.choice((1, 3)))
        log, clock = logged(told.facts, told.partitions), [START]
        by_turns(log, models, rng, clock)
        clock[0] += rng.choice((0, 1, 5, 100_000_000))
        Projector(log, models, clock=lambda now=clock: now[0]).once()
        found, wanted = stored(url), expected(log, clock[0])
        for table, rows in wanted.items():
            assert found[table] == rows, (seed, table)
        empty(url)


def test_a_current_preference_is_revoked_where_the_gate_denies_for_a_revocation_and_granted_where_it_may_go(
    url: str, models: SqlReadModels
) -> None:
    seen = 0
    for seed in range(100, 116):
        rng = Random(seed)
        told = history(rng, events=40, partitions=3)
        log = logged(told.facts, 3)
        now = max(fact.recorded_at for fact in told.facts) + 1
        Projector(log, models, clock=lambda now=now: now).once()
        view = Rebuilt(log)
        histories = Histories(view)
        for row in stored(url)["current_preferences"]:
            subject, _scope, _kind, brand, channel, purpose, state = row[:7]
            if "*" in (brand, channel, purpose):
                continue
            verdict = asked(view, Message(subject, channel, purpose, brand, None, None, now), histories)
            denied = {"revoked": {"revoked_by_number", "revoked_by_account"}}
            if verdict.reason not in ("halted", "never_needs_consent", "held_for_review"):
                seen += 1
                assert (verdict.reason in denied["revoked"]) == (state == "revoked"), (seed, row, verdict)
                assert (verdict.reason == "granted") == (state == "granted"), (seed, row, verdict)
        empty(url)
    assert seen > 10


def test_an_interval_of_the_history_says_what_the_level_says_at_each_moment_in_it(
    url: str, models: SqlReadModels
) -> None:
    for seed in range(200, 212):
        told = history(Random(seed), events=40, partitions=1)
        log = logged(told.facts)
        Projector(log, models, clock=lambda now=told.times[-1]: now).once()
        histories = Histories(Rebuilt(log))
        rows = stored(url)["preference_history"]
        for contact in told.contacts:
            known = histories.contact(contact)
            for scope in {said.scope for said in known.said}:
                mine = [row for row in rows if row[0] == contact and row[1] == "/".join(scope)]
                for at in told.times:
                    question = Question(histories.reference.policy(at), at, Coverage(*scope), scope[1], scope[2])
                    void = max((one for one in known.reassigned if one <= at), default=-1)
                    level = own(known.said, void, question)
                    state = "revoked" if level.revoked else "granted" if level.granted else None
                    state = state or ("expired" if level.run_out else None)
                    held = [row[8] for row in mine if row[2] <= at and (row[3] is None or at < row[3])]
                    assert held == ([state] if state else []), (seed, scope, at)
        empty(url)


def test_what_is_in_a_text_stays_a_text(url: str, models: SqlReadModels) -> None:
    nasty = ["'; DROP TABLE events; --", "a\tb\nc\\.\\N", "%s %(x)s :name $1", '"quoted"', "nul\0here", "\\", "é🎉"]
    facts = []
    for number, sender in enumerate(nasty):
        event = make_event(
            "SenderRegistered", kind="operator", subject="operator:senders", sender=sender, brand=sender,
            takes_replies=True, occurred_at=START, event_id=f"00000000-0000-7000-8000-{number:012x}",
            idempotency_key=f"{number:032x}",
        )  # fmt: skip
        facts.append(history(Random(1), events=1).facts[0]._replace(event=event, recorded_at=START))
    log = logged(facts)
    Projector(log, models, clock=lambda: START).once()
    found = stored(url)
    assert found == expected(log, START)
    assert {row[0] for row in found["senders"]} == {text.replace("\0", "\ufffd") for text in nasty}
    names = {"; DROP TABLE states; --", "x' OR '1'='1"}
    with models.turn() as turn:
        assert turn.states_of(names) == {} == turn.heard_of(names)
        assert turn.members_of(names) == set() == turn.accounts_of(names)
        turn.put_mark("'; DELETE FROM marks; --", "'); DROP TABLE marks; --")
    with models.turn() as turn:
        assert turn.mark("'; DELETE FROM marks; --") == "'); DROP TABLE marks; --"


def test_a_turn_that_ends_badly_leaves_nothing(url: str, models: SqlReadModels) -> None:
    log = logged(history(Random(3), events=20).facts)
    before = stored(url)
    seen = models.positions()
    batch, _ = next_batch(log, seen, log.ends(), START)
    with suppress(ZeroDivisionError), models.turn() as turn:
        fold_in(turn, batch)
        raise ZeroDivisionError
    assert stored(url) == before


def test_of_two_projectors_the_second_throws_its_batch_away(url: str, models: SqlReadModels) -> None:
    log = logged(history(Random(3), events=20).facts)
    seen = models.positions()
    batch, reached = next_batch(log, seen, log.ends(), START)
    assert apply(models, batch, seen, reached, START)
    assert not apply(models, batch, seen, reached, START)
    assert len(stored(url)["events"]) == 20


def test_a_database_is_upgraded_once_and_again(empty_url: str) -> None:
    assert upgrade(empty_url).before is None
    done = upgrade(empty_url)
    assert done.before == done.after
