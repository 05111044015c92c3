"""One ledger of many nasty histories: an operator whose policy changes from era to era, and new persons in each."""

from random import Random
from typing import Any

from ledger.log import Position
from schemas.events import Event, PolicyPublished, PreferenceGranted, PreferenceRevoked
from schemas.times import DAY
from schemas.topics import partition_of
from tests.histories import History, history, interesting_times, questions
from tests.reference_model import Fact, Message

ERAS = 5
APART = 30 * DAY
"""A history lasts some days at most."""


def eras_of(rng: Random, partitions: int) -> list[History]:
    """The eras of one ledger, each with its own persons and the times that matter in it.

    One person's history is long, so that states go on in further parts. Traffic is halted in the last era only: nobody
    would resume it, and no later answer would say anything else.
    """
    persons = [[history(rng, events) for events in (*[24] * 6, *[240] * (era == 0))] for era in range(ERAS)]
    facts = [_era(rng, era, drawn) for era, drawn in enumerate(persons)]
    placed = iter(_placed([fact for era in facts for fact in era], partitions))
    found = []
    for era, drawn in zip(facts, persons, strict=True):
        contacts = [contact for one in drawn for contact in one.contacts]
        accounts = [account for one in drawn for account in one.accounts]
        its_own = [next(placed) for _ in era]
        found.append(History(its_own, contacts, accounts, interesting_times(its_own), partitions))
    return found


def questions_of(rng: Random, eras: list[History], count: int) -> list[Message]:
    """So many questions: most about persons in their own era, the others about anybody at any time.

    Some are about a purpose that only begins like one that was spoken of.
    """
    mixed = count // 5
    own = [message for era in eras for message in questions(rng, era, (count - mixed) // len(eras))]
    asked = own + questions(rng, _all_of(eras), mixed)
    return [it._replace(purpose=f"{it.purpose}-else") if rng.random() < 0.05 else it for it in asked]


def _all_of(eras: list[History]) -> History:
    return History(
        [fact for era in eras for fact in era.facts],
        [contact for era in eras for contact in era.contacts],
        [account for era in eras for account in era.accounts],
        [time for era in eras for time in era.times],
        eras[0].partitions,
    )


def _era(rng: Random, era: int, drawn: list[History]) -> list[Fact]:
    said = _operator(rng)
    while len(said) < era * 2 or not (era < ERAS - 1 or any(fact.event.type == "TrafficHalted" for fact in said)):
        said = _operator(rng)
    if era < ERAS - 1:
        said = [fact for fact in said if fact.event.type != "TrafficHalted"]
    persons = [fact for one in drawn for fact in one.facts if fact.event.kind != "operator"]
    facts = sorted(said + persons, key=lambda fact: fact.recorded_at)
    return [Fact(fact.position, fact.recorded_at + era * APART, _later(fact.event, era * APART)) for fact in facts]


def _operator(rng: Random) -> list[Fact]:
    return [fact for fact in history(rng, 40).facts if fact.event.kind == "operator"]


def _later(event: Event, by: int) -> Event:
    changed: dict[str, Any] = {"occurred_at": event.occurred_at + by}
    if isinstance(event, PreferenceGranted | PreferenceRevoked) and event.valid_until is not None:
        changed["valid_until"] = event.valid_until + by
    if isinstance(event, PolicyPublished):
        changed["policy"] = event.policy.model_copy(update={"effective_from": event.policy.effective_from + by})
    return event.model_copy(update=changed)


def _placed(facts: list[Fact], partitions: int) -> list[Fact]:
    ends = [0] * partitions
    placed = []
    for _, recorded_at, event in facts:
        partition = partition_of(event.subject, partitions)
        placed.append(Fact(Position(partition, ends[partition]), recorded_at, event))
        ends[partition] += 1
    return placed
