"""A timeline shows every event of a contact and of its accounts, and says of each statement whether it counts."""

from contextlib import ExitStack
from random import Random
from typing import Any

import pytest

from consumers.confirmation import Told
from consumers.happenings import Happening
from consumers.in_force import InForce
from consumers.opened import Ledger
from consumers.settings import Settings
from consumers.timeline import Item, timeline, whole
from consumers.timeline_lines import WHY, as_json, in_words
from ledger.adapters.memory_log import MemoryLog
from ledger.adapters.memory_people import MemoryPeople
from ledger.record import Recorder
from projections.bearing import COUNTING
from projections.log_view import LogView
from projections.past import PastOfView
from projections.view import Histories, Store
from schemas.events import ContactLinked, ContactUnlinked, PreferenceGranted, PreferenceRevoked
from tests.consumers.asking import REFERENCES
from tests.consumers.commands import OFFERS, Commands
from tests.consumers.test_late_opt_outs_are_found import LEASE, PROCESSES, START, Stored, appended, told
from tests.controls import event
from tests.histories import history, questions
from tests.projections.folding import asked, view_of
from tests.projections.logged import facts_of, logged
from tests.reference_model import Fact

NUMBER = "+14165550123"
SEEDS = 300
BLOCKS = 6


def opened(log: MemoryLog) -> Ledger:
    """A ledger of a log, for what only reads."""
    people = MemoryPeople()
    recorder = Recorder(log, people, REFERENCES, PastOfView(lambda: LogView(log)))

    def no_store() -> Store:
        raise AssertionError("a timeline reads the log")

    return Ledger(Settings(), log, people, REFERENCES, recorder, no_store, ExitStack())


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_statement_that_does_not_count_could_be_missing_and_no_answer_would_change(block: int) -> None:
    for seed in range(block * SEEDS // BLOCKS, (block + 1) * SEEDS // BLOCKS):
        rng = Random(seed)
        story = history(rng, events=rng.randint(6, 40), partitions=1)
        log = logged(story.facts)
        facts = facts_of(log)
        at = rng.choice(story.times[len(story.times) // 2 :])
        before = view_of(facts)
        for contact in story.contacts:
            idle = idle_claims(timeline(opened(log), contact, at))
            if not idle:
                continue
            after = view_of([fact for fact in facts if claim(fact.event) not in idle or fact.event.occurred_at > at])
            for message in questions(rng, story, 6):
                question = message._replace(contact=contact, purpose="marketing.offers", at=at)
                assert asked(after, question, Histories(after)) == asked(before, question, Histories(before)), seed


def claim(said: Any) -> tuple[str, str, str]:  # noqa: ANN401  # any event
    return said.subject, said.idempotency_key, said.content


def idle_claims(items: list[Item]) -> set[tuple[str, str, str]]:
    """Statements of which no copy counts. A yes that has run out is none: that it was there is a reason of its own."""
    said = [item for item in items if isinstance(item.event, PreferenceGranted | PreferenceRevoked)]
    busy = {
        claim(item.event)
        for item in said
        if item.bearing in COUNTING or (item.bearing == "run_out" and isinstance(item.event, PreferenceGranted))
    }
    return {claim(item.event) for item in said} - busy


@pytest.mark.parametrize("seed", range(20))
def test_nothing_of_a_contact_and_its_accounts_is_left_out_and_the_order_is_the_logs(seed: int) -> None:
    story = history(Random(seed), events=30, partitions=3)
    log = logged(story.facts, 3)
    for contact in story.contacts:
        items = timeline(opened(log), contact)
        places = [(item.recorded.recorded_at, item.recorded.position) for item in items]
        assert places == sorted(places)
        concerned = {contact} | accounts_of(facts_of(log), contact)
        expected = sorted(fact.position for fact in facts_of(log) if fact.event.subject in concerned)
        assert sorted(item.recorded.position for item in items) == expected


def accounts_of(facts: list[Fact], contact: str) -> set[str]:
    return {
        fact.event.account
        for fact in facts
        if fact.event.subject == contact and isinstance(fact.event, ContactLinked | ContactUnlinked)
    }


def why(commands: Commands, kind: str) -> list[tuple[str | None, bool | None, str | None]]:
    return [
        (line["via"], line["counts"], line["why"])
        for line in commands.lines("timeline", NUMBER)
        if line["type"] == kind
    ]


def test_an_accounts_statements_count_by_when_the_contact_was_in_it(commands: Commands) -> None:
    account = ("account:ACC-1", "--purpose", "marketing")
    commands.json("revoke", *account, "--occurred-at", "2019-01-01T00:00:00Z")
    commands.lines("link", "ACC-1", NUMBER, "--occurred-at", "2020-01-01T00:00:00Z")
    commands.json("revoke", *account, "--occurred-at", "2021-01-01T00:00:00Z")
    assert why(commands, "PreferenceRevoked") == [
        ("account:ACC-1", True, "before_joining"),
        ("account:ACC-1", True, "member"),
    ]
    commands.lines("unlink", "ACC-1", NUMBER, "--occurred-at", "2022-01-01T00:00:00Z")
    commands.json("revoke", *account, "--occurred-at", "2023-01-01T00:00:00Z")
    assert why(commands, "PreferenceRevoked") == [
        ("account:ACC-1", True, "former_member"),
        ("account:ACC-1", True, "former_member"),
        ("account:ACC-1", False, "after_leaving"),
    ]
    words = commands("timeline", NUMBER).out
    assert "it has left since; the no stays" in words
    assert "does not count: it had left by then" in words


def test_what_was_corrected_ran_out_or_was_anothers_does_not_count(commands: Commands) -> None:
    no = commands.json("revoke", NUMBER, "--occurred-at", "2020-01-01T00:00:00Z")["event_id"]
    commands.json("correct", no, "--role", "corrector")
    commands.json("revoke", NUMBER, "--occurred-at", "2020-01-02T00:00:00Z", "--valid-until", "2020-02-01T00:00:00Z")
    commands.json("grant", NUMBER, *OFFERS, "--basis", "express", "--occurred-at", "2020-03-01T00:00:00Z")
    commands.json("reassign", NUMBER, "--occurred-at", "2020-04-01T00:00:00Z")
    assert why(commands, "PreferenceRevoked") == [(None, False, "corrected"), (None, False, "run_out")]
    assert why(commands, "PreferenceGranted") == [(None, False, "before_reassignment")]
    assert why(commands, "StatementCorrected") == [(None, True, "own")]


def test_a_follow_up_of_an_account_stands_in_it(commands: Commands) -> None:
    commands.lines("link", "ACC-1", NUMBER)
    commands.json("revoke", "account:ACC-1", "--channel", "smoke")
    [line] = [line for line in commands.lines("timeline", NUMBER) if line["type"] == "FollowUpOpened"]
    assert line["via"] == "account:ACC-1"
    assert line["because_of"]


def test_the_decisions_on_record_stand_where_they_were_made(commands: Commands) -> None:
    commands.json("grant", NUMBER, *OFFERS, "--basis", "express")
    first = commands.json("decide", NUMBER, *OFFERS, "--log")
    no = commands.json("revoke", NUMBER)
    second = commands.json("decide", NUMBER, *OFFERS, "--log", code=1)
    lines = commands.lines("timeline", NUMBER)
    assert [line["type"] for line in lines] == ["PreferenceGranted", "Decision", "PreferenceRevoked", "Decision"]
    made = [line for line in lines if line["type"] == "Decision"]
    assert [line["about"] for line in made] == [first["decision_id"], second["decision_id"]]
    assert (made[1]["allowed"], made[1]["reason"], made[1]["evidence"]) == (
        False,
        "revoked_by_number",
        [no["event_id"]],
    )
    words = commands("timeline", NUMBER).out
    assert "denied marketing.offers by sms from acme: they opted out themselves" in words
    assert f"because of event {no['event_id']}" in words


def test_every_reason_has_its_words() -> None:
    assert set(WHY) >= COUNTING
    assert all(words for bearing, words in WHY.items() if bearing not in {"own", "member"})


def test_each_no_is_followed_by_when_every_gateway_had_it() -> None:
    log = MemoryLog(1, clock=lambda: START)
    no = event("PreferenceRevoked", occurred_at=START - 1_000, received_at=START)
    appended(log, no)
    receipts = [
        *(told(START - 500, 0, process) for process in PROCESSES[:2]),
        told(START + 300, 1, PROCESSES[0]),
        told(START + 900, 1, PROCESSES[1]),
    ]
    first, then = told_of(log, receipts, no.subject, START + LEASE)
    assert isinstance(first, Item)
    assert isinstance(then, Happening)
    assert (then.at, then.type, then.about) == (START + 900, "Enforced", no.event_id)
    line = as_json(then, {})
    assert [(one["name"], one["state"]) for one in line["gateways"]] == [("sms-1", "enforced"), ("sms-2", "enforced")]
    assert line["state"] == "enforced"
    assert "in force everywhere" in next(in_words([then], {}))


def test_a_no_that_a_gateway_has_not_yet_says_so_and_which() -> None:
    log = MemoryLog(1, clock=lambda: START)
    no = event("PreferenceRevoked", occurred_at=START - 1_000, received_at=START)
    appended(log, no)
    _, then = told_of(log, [told(START - 500, 0, PROCESSES[0])], no.subject, START + 1_000)
    assert isinstance(then, Happening)
    assert then.type == "NotEnforcedYet"
    assert any("has not told yet" in line for line in in_words([then], {}))


def told_of(log: MemoryLog, receipts: list[Told], ref: str, now: int) -> list[Any]:
    return whole(opened(log), ref, [InForce(log, Stored(receipts, now))])
