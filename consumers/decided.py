"""The decisions about a contact, as its timeline shows them: `Happenings` from the decision log."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from consumers.happenings import Happening
from consumers.wording import REASONS
from ledger.decisions import Decisions, Stored, UnreadableDecisionError
from ledger.log import Recorded
from schemas.distributed import LoggedDecision
from schemas.events import Event
from schemas.times import rfc3339

APART = {"subject", "kind", "at"}
"""What the line of a timeline says in another way, or has said already."""


class Decided:
    """Tells of every decision on record about a contact, where it stands in the log of decisions."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions

    def of(self, ref: str, _events: Sequence[tuple[Recorded, Event]]) -> Iterator[Happening]:
        """One for each; what is no decision is passed over, and told of by those who read that log."""
        for stored in self._decisions.of_subject(ref):
            with suppress(UnreadableDecisionError):
                yield _happening(stored, stored.read())


def _happening(stored: Stored, made: LoggedDecision) -> Happening:
    answer = "allowed" if made.allowed else "denied"
    shadow = ", in shadow mode, so it was let out" if made.shadow and not made.allowed else ""
    return Happening(
        stored.logged_at,
        "Decision",
        made.decision_id,
        f"{answer} {made.purpose} by {made.channel} from {made.brand}: {REASONS[made.reason]}{shadow}",
        [
            f"at gateway {made.gateway} for {rfc3339(made.at)}, by rule {made.rule} and policy {made.policy}",
            *(f"because of event {event}" for event in made.evidence),
        ],
        {"decided_at": rfc3339(made.at), **made.model_dump(mode="json", exclude_none=True, exclude=APART)},
    )
