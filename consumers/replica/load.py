"""The states of a store as the tables of a copy, in one pass."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from consumers.replica import payload
from consumers.replica.build import Builder
from projections import history
from projections.fold import unpacked
from projections.statement import Fields
from schemas.events import OPERATOR_POLICY, OPERATOR_PROCEDURES, OPERATOR_SENDERS, OPERATOR_TRAFFIC

Stored = tuple[str, bytes]
Operator = dict[str, list[Fields]]
OPERATOR = "operator:"
ASKED = {OPERATOR_POLICY, OPERATOR_PROCEDURES, OPERATOR_SENDERS, OPERATOR_TRAFFIC}
"""The operator's subjects that decisions depend on; the follow-ups of its inbox are many, and ask for a person."""


def load(parts: Iterable[Stored], builder: Builder) -> Operator:
    """Writes every subject to `builder`, and returns those of the operator's that are asked about.

    `parts` are ordered by key, so that the parts of one subject follow each other. Raises ValueError where not.
    """
    operator: Operator = {}
    last = ""
    for subject, states in _subjects(parts):
        if subject <= last:
            raise ValueError(f"states come ordered by key, each subject once; {subject} came after {last}")
        last = subject
        if subject.startswith(OPERATOR):
            if subject in ASKED:
                operator[subject] = states
        else:
            add(builder, subject, states)
    return operator


def _subjects(parts: Iterable[Stored]) -> Iterator[tuple[str, list[Fields]]]:
    for subject, stored in groupby(parts, key=lambda part: part[0].partition("#")[0]):
        states = [unpacked(value) for _, value in stored]
        yield subject, sorted(states, key=lambda part: int(part["part"])) if len(states) > 1 else states


def add(builder: Builder, subject: str, states: list[Fields]) -> None:
    """Writes one contact or account."""
    encoded = payload.of_parts({part["part"]: part for part in states}) if states[0].get("parts") != 1 else None
    reference = bytes.fromhex(subject)
    if states[0]["kind"] == "account":
        stands = history.account(states)
        if encoded is not None or stands != history.NO_ACCOUNT:
            builder.blob("accounts", reference, encoded or payload.of_history(stands))
    else:
        builder.contact(reference, history.contact(states), encoded)
