"""Who worked by which procedure: changes made under a version that was withdrawn or unknown, and acknowledgements."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from consumers.history_scan import every_event
from consumers.wording import event_in_words
from ledger.log import Log, Recorded
from projections.reference_data import Reference
from projections.view import OPERATOR_SUBJECTS, View
from schemas.events import OPERATOR_PROCEDURES, Event
from schemas.times import rfc3339


class Misstep(NamedTuple):
    """A change that staff made under a procedure that was not in force when it was made."""

    recorded: Recorded
    event: Event
    procedure: str | None
    standing: str


class Version(NamedTuple):
    """One version of a procedure: whether it is in force, who acknowledged it, how many changes name it."""

    procedure: str
    standing: str
    acknowledged: tuple[str, ...]


def reference_of(view: View) -> Reference:
    """The operator's subjects of a view."""
    return Reference({subject: view.parts(subject) for subject in OPERATOR_SUBJECTS})


def missteps(log: Log, reference: Reference) -> Iterator[Misstep]:
    """Every change about a contact or account made under a procedure withdrawn or unknown at the time it was made.

    Asked of the events themselves, not of their flags: a flag that was forgotten hides nothing.
    """
    for recorded, event in every_event(log):
        if event.kind == "operator" or not _by_staff(event):
            continue
        label = event.capture.procedure
        standing = reference.procedure(label, event.occurred_at) if label else "unknown"
        if standing != "current":
            yield Misstep(recorded, event, label, standing)


def _by_staff(event: Event) -> bool:
    return event.capture.procedure is not None or event.actor.startswith("agent:")


def versions(reference: Reference, at: int) -> list[Version]:
    """Every version that was ever published, in that order."""
    entries = reference.entries(OPERATOR_PROCEDURES)
    labels = dict.fromkeys(entry["procedure"] for entry in entries if entry["type"] == "ProcedurePublished")
    return [
        Version(
            label,
            reference.procedure(label, at),
            tuple(
                dict.fromkeys(
                    entry["agent"]
                    for entry in entries
                    if entry["type"] == "ProcedureAcknowledged" and entry["procedure"] == label
                )
            ),
        )
        for label in labels
    ]


def agents(log: Log) -> set[str]:
    """The references of all agents who ever made a change."""
    return {event.actor.partition(":")[2] for _, event in every_event(log) if event.actor.startswith("agent:")}


def yet_to_acknowledge(log: Log, reference: Reference, at: int) -> dict[str, list[str]]:
    """For each procedure version in force, the agents who made changes before but have not acknowledged it."""
    known = agents(log) | {agent for version in versions(reference, at) for agent in version.acknowledged}
    return {
        version.procedure: sorted(known - set(version.acknowledged))
        for version in versions(reference, at)
        if version.standing == "current"
    }


def as_json(step: Misstep, names: Mapping[str, str]) -> dict[str, object]:
    """A change under a procedure that was not in force, as one line of `procedures --json`."""
    actor = step.event.actor
    return {
        "kind": "misstep",
        "event_id": step.event.event_id,
        "type": step.event.type,
        "subject": names[step.event.subject],
        "ref": step.event.subject,
        "says": event_in_words(step.event, names),
        "procedure": step.procedure,
        "standing": step.standing,
        "actor": names[actor.partition(":")[2]] if actor.startswith("agent:") else actor,
        "occurred_at": rfc3339(step.event.occurred_at),
        "recorded_at": rfc3339(step.recorded.recorded_at),
        "flagged": "procedure_withdrawn" in step.event.flags or "procedure_unknown" in step.event.flags,
    }


def version_json(version: Version, missing: Sequence[str], names: Mapping[str, str]) -> dict[str, object]:
    """A version of a procedure with who acknowledged it and who has not, as one line of `procedures --json`."""
    return {
        "kind": "version",
        "procedure": version.procedure,
        "standing": version.standing,
        "acknowledged_by": [names[agent] for agent in version.acknowledged],
        "not_acknowledged_by": [names[agent] for agent in missing],
    }
