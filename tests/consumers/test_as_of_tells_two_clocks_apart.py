"""`as-of` answers what was true at a time, and what was known of it by another; both are a fold up to there."""

from random import Random

import pytest

from consumers.status import status
from projections.log_view import LogView, known_at
from schemas.subject import Subject
from tests.consumers.commands import OFFERS, Commands
from tests.histories import BRANDS, history
from tests.projections.folding import view_of
from tests.projections.logged import facts_of, logged
from tests.reference_model import Message, answer

NUMBER = "+14165550123"
ANYBODY = Subject("number", NUMBER)
SEEDS = 60
BLOCKS = 4


@pytest.mark.parametrize("block", range(BLOCKS))
def test_at_every_event_of_a_history_it_is_a_fold_from_scratch_and_the_reference_model(block: int) -> None:
    for seed in range(block * SEEDS // BLOCKS, (block + 1) * SEEDS // BLOCKS):
        rng = Random(seed)
        partitions = rng.choice((1, 3))
        told = history(rng, events=rng.randint(3, 24), partitions=1, byte_repeats=True)
        log = logged(told.facts, partitions)
        facts = facts_of(log)
        for fact in facts:
            known = known_at(log, fact.recorded_at)
            prefix = [one for one in facts if one.recorded_at <= fact.recorded_at]
            assert known == {p: sum(one.position.partition == p for one in prefix) for p in range(partitions)}
            scratch, view = view_of(prefix), LogView(log, known)
            for subject in {one.event.subject for one in facts}:
                assert list(view.parts(subject)) == list(scratch.parts(subject)), (seed, subject)
            contact, brand = rng.choice(told.contacts), rng.choice(BRANDS)
            at = rng.choice((fact.recorded_at, fact.event.occurred_at, rng.choice(told.times)))
            for (purpose, channel), verdict in status(view, ANYBODY, contact, at, brand, None).verdicts.items():
                expected = answer(prefix, Message(contact, channel, purpose, brand, None, None, at))
                got = (verdict.allowed, verdict.reason, frozenset(verdict.evidence))
                assert got == (expected.allowed, expected.reason, expected.evidence), (seed, fact.position, at)


def offers(commands: Commands, at: str, known: str | None = None) -> str:
    """What is said of a promotional text to the number."""
    said = commands.json("as-of", at, NUMBER, *(("--known-at", known) if known else ()))
    assert said["known_at"] == known
    return next(
        str(one["reason"])
        for one in said["decisions"]
        if (one["purpose"], one["channel"]) == ("marketing.offers", "sms")
    )


def yes(commands: Commands, at: str) -> str:
    return str(commands.json("grant", NUMBER, *OFFERS, "--basis", "express", "--occurred-at", at)["recorded_at"])


def test_a_backdated_no_was_true_before_anybody_knew(commands: Commands) -> None:
    before = yes(commands, "2020-01-01T00:00:00Z")
    after = commands.json("revoke", NUMBER, "--occurred-at", "2021-01-01T00:00:00Z")["recorded_at"]
    assert offers(commands, "2020-06-01T00:00:00Z") == "granted"
    assert offers(commands, "2021-06-01T00:00:00Z") == "revoked_by_number"
    assert offers(commands, "2021-06-01T00:00:00Z", before) == "granted", "so it was sent in good faith"
    assert offers(commands, "2021-06-01T00:00:00Z", after) == "revoked_by_number"
    assert offers(commands, "2020-06-01T00:00:00Z", after) == "granted", "what is known later is of its own time"


def test_a_corrected_no_was_never_true_and_was_known_for_a_while(commands: Commands) -> None:
    before = yes(commands, "2020-01-01T00:00:00Z")
    no = commands.json("revoke", NUMBER, "--occurred-at", "2021-01-01T00:00:00Z")
    corrected = commands.json("correct", no["event_id"], "--role", "corrector")["recorded_at"]
    at = "2021-06-01T00:00:00Z"
    assert [offers(commands, at, known) for known in (before, no["recorded_at"], corrected)] == [
        "granted", "revoked_by_number", "granted",
    ]  # fmt: skip
    assert offers(commands, at) == "granted"


def test_a_correction_that_was_corrected_brings_the_no_back(commands: Commands) -> None:
    yes(commands, "2020-01-01T00:00:00Z")
    no = commands.json("revoke", NUMBER, "--occurred-at", "2021-01-01T00:00:00Z")
    first = commands.json("correct", no["event_id"], "--role", "corrector")
    second = commands.json("correct", first["event_id"])
    at = "2021-06-01T00:00:00Z"
    assert offers(commands, at, first["recorded_at"]) == "granted"
    assert offers(commands, at, second["recorded_at"]) == "revoked_by_number"


def test_a_link_that_was_told_late_denies_from_when_it_was_so(commands: Commands) -> None:
    yes(commands, "2020-01-01T00:00:00Z")
    before = commands.json("revoke", "account:ACC-1", "--occurred-at", "2020-03-01T00:00:00Z")["recorded_at"]
    commands.lines("link", "ACC-1", NUMBER, "--occurred-at", "2020-02-01T00:00:00Z")
    assert offers(commands, "2020-06-01T00:00:00Z", before) == "granted"
    assert offers(commands, "2020-06-01T00:00:00Z") == "revoked_by_account"
    assert offers(commands, "2020-01-15T00:00:00Z") == "granted"


def test_the_words_say_which_clock_is_meant(commands: Commands) -> None:
    known = yes(commands, "2020-01-01T00:00:00Z")
    assert f"as known at {known}" in commands("as-of", "2021-01-01T00:00:00Z", NUMBER, "--known-at", known).out
    assert commands("as-of", "2021-01-01", NUMBER).code == 2, "a day is no moment"
