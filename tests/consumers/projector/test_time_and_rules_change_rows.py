"""Rows change although nothing was said: something runs out, a policy comes into force, another program made them."""

from random import Random
from typing import Any

import pytest

from consumers.projector import applying
from consumers.projector.following import Projector
from ledger.adapters.memory_log import MemoryLog
from ledger.log import Position
from projections.adapters.sql_read_models import SqlReadModels
from schemas.events import OPERATOR_POLICY, PolicyPublished
from schemas.policy import Policy
from schemas.times import DAY
from tests.consumers.projector.rows import expected, stored
from tests.histories import START, history, make_event
from tests.projections.logged import entry, logged
from tests.reference_model import Fact

ACCOUNT, NUMBER, SISTER = "a" * 32, "b" * 32, "c" * 32
EVERYTHING = {"brand": "*", "channel": "*", "purpose": "*"}
OFFERS = {"brand": "acme", "channel": "sms", "purpose": "marketing.offers"}
WHO = {
    "name": "told", "brand": "acme", "brands": ["acme"], "channels": ["sms"],
    "purposes": {"marketing": {"regime": "opt_in"}},
}  # fmt: skip


class Story:
    """Events one after the other, each at a moment of its own."""

    def __init__(self) -> None:
        self.log = MemoryLog(1, clock=lambda: self._now)
        self._now, self._number = START, 0

    def tell(self, at: int, kind_of_event: str, kind: str, subject: str, **said: Any) -> None:  # noqa: ANN401
        """It was said at a moment, and recorded then."""
        self._number += 1
        named = {"event_id": f"00000000-0000-7000-8000-{self._number:012x}", "idempotency_key": f"{self._number:032x}"}
        event = make_event(kind_of_event, kind=kind, subject=subject, occurred_at=at, **named, **said)
        self._now = max(self._now, at)
        self.log.append([entry(Fact(Position(0, 0), at, event), self._number)])

    def publish(self, at: int, effective_from: int, **rules: Any) -> None:  # noqa: ANN401
        """A policy that comes into force at a moment."""
        policy = Policy.model_validate(
            {"version": f"v{self._number}", "effective_from": effective_from, **WHO, **rules}
        )
        self.tell(at, PolicyPublished.__name__, "operator", OPERATOR_POLICY, policy=policy)


def must_be_exact(story: Story, models: SqlReadModels, url: str, at: int) -> dict[str, list[tuple[Any, ...]]]:
    """Looks at a moment, with nothing new; the rows are those of a fold from scratch."""
    Projector(story.log, models, clock=lambda: at).once()
    found, wanted = stored(url), expected(story.log, at)
    for table, rows in wanted.items():
        assert found[table] == rows, table
    return found


@pytest.mark.parametrize("stays", [True, False])
def test_a_no_that_comes_back_when_a_yes_runs_out_is_a_row_from_then_on(
    url: str, models: SqlReadModels, stays: bool
) -> None:
    story = Story()
    if stays:
        story.publish(START, START, grants_reach_later_links=False, number_lifts_account=True)
    story.tell(START + 1, "ContactLinked", "number", SISTER, account=ACCOUNT, reason="added")
    if not stays:
        story.tell(START + 1, "ContactLinked", "number", NUMBER, account=ACCOUNT, reason="added")
    story.tell(START + 10, "PreferenceRevoked", "account", ACCOUNT, scope=OFFERS)
    yes = {"scope": OFFERS, "basis": "express", "valid_until": START + 100}
    story.tell(START + 20, "PreferenceGranted", "account", ACCOUNT, **yes)
    if stays:
        story.tell(START + 30, "ContactLinked", "number", NUMBER, account=ACCOUNT, reason="added")
    else:
        story.tell(START + 30, "ContactUnlinked", "number", NUMBER, account=ACCOUNT, reason="closed")
    found = must_be_exact(story, models, url, START + 50)
    assert NUMBER not in {row[0] for row in found["current_preferences"]}
    assert (NUMBER, START + 101) in found["coming_changes"]
    found = must_be_exact(story, models, url, START + 150)
    [row] = [row for row in found["current_preferences"] if row[0] == NUMBER]
    assert row[6:8] == ("revoked", "account" if stays else "former")
    assert found["account_coverage"][0][-2:] == ((2, 0) if stays else (1, 0))


def test_a_policy_without_ages_that_comes_between_two_with_ages_changes_what_ran_out(
    url: str, models: SqlReadModels
) -> None:
    story = Story()
    aged = {"max_age_days": {"implied": 1}}
    story.publish(START, START, **aged)
    story.publish(START, START + 10 * DAY, **aged)
    story.tell(START + 1, "PreferenceGranted", "number", NUMBER, scope=OFFERS, basis="implied")
    before = must_be_exact(story, models, url, START + 20 * DAY)["preference_history"]
    story.publish(START + 20 * DAY, START + 5 * DAY)
    assert must_be_exact(story, models, url, START + 20 * DAY)["preference_history"] != before


def test_rows_that_another_program_made_are_made_anew(
    url: str, models: SqlReadModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logged(history(Random(5), events=120).facts)
    at = START + 500_000_000
    monkeypatch.setattr(applying, "MADE_WITH", "rows 1")
    Projector(log, models, clock=lambda: at).once()
    with models.turn() as turn:
        turn.clear("account_groups")  # as a program that knows nothing of them leaves it
    monkeypatch.undo()
    Projector(log, models, clock=lambda: at).once()
    assert expected(log, at)["account_groups"]
    assert stored(url) == expected(log, at)
