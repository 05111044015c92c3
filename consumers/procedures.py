"""Who worked by which procedure: changes made under a version that was withdrawn or unknown, and acknowledgements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.history_scan import every_event
from ledger.log import Log, Recorded
from projections.reference_data import Reference
from projections.view import OPERATOR_SUBJECTS, View
from schemas.events import OPERATOR_PROCEDURES, ContactLinked, Event


class Misstep(NamedTuple):
    """A change that staff made under a procedure that was not in force when it was made."""

    recorded: Recorded
    event: Event
    procedure: str | None
    standing: str


class Version(NamedTuple):
    """One version of a procedure: whether it is in force, and who acknowledged it and who has yet to."""

    procedure: str
    standing: str
    acknowledged: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(slots=True)
class Conduct:
    """What one pass over the log finds: missteps, the agents who ever made a change, and who was ever in an account."""

    missteps: list[Misstep] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    members: dict[str, set[str]] = field(default_factory=dict)


def reference_of(view: View) -> Reference:
    """The operator's subjects of a view."""
    return Reference({subject: view.parts(subject) for subject in OPERATOR_SUBJECTS})


def conduct(log: Log, reference: Reference) -> Conduct:
    """Every change about a contact or account made under a procedure withdrawn or unknown at the time it was made.

    Asked of the events themselves, not of their flags: a flag that was forgotten hides nothing.
    """
    found = Conduct()
    for recorded, event in every_event(log):
        kind, _, agent = event.actor.partition(":")
        if kind == "agent":
            found.agents.add(agent)
        if isinstance(event, ContactLinked):
            found.members.setdefault(event.account, set()).add(event.subject)
        if event.kind != "operator" and (event.capture.procedure is not None or kind == "agent"):
            label = event.capture.procedure
            standing = reference.procedure(label, event.occurred_at) if label else "unknown"
            if standing != "current":
                found.missteps.append(Misstep(recorded, event, label, standing))
    return found


def versions(reference: Reference, agents: Iterable[str], at: int) -> list[Version]:
    """Every version that was ever published, in that order; `agents`: those who ever made a change."""
    entries = reference.entries(OPERATOR_PROCEDURES)
    acknowledged: dict[str, list[str]] = {}
    for entry in entries:
        if entry["type"] == "ProcedureAcknowledged":
            acknowledged.setdefault(entry["procedure"], []).append(entry["agent"])
    known = {*agents, *(agent for some in acknowledged.values() for agent in some)}
    labels = dict.fromkeys(entry["procedure"] for entry in entries if entry["type"] == "ProcedurePublished")
    return [_version(label, reference.procedure(label, at), acknowledged.get(label, ()), known) for label in labels]


def _version(label: str, standing: str, acknowledged: Sequence[str], known: set[str]) -> Version:
    missing = sorted(known - set(acknowledged)) if standing == "current" else []
    return Version(label, standing, tuple(dict.fromkeys(acknowledged)), tuple(missing))
