"""The states that projections hold: what each event of a subject adds, in the order of the log, in parts.

A state is kept under its subject's key; one of many entries goes on under `KEY#1`, `KEY#2`, …, so that what an event
writes stays bounded however many came before. The first part says how many parts there are. These shapes are a public
contract: readers in any language join a contact's state with those of its accounts (`docs/states.md`).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.envelope import EventId, LinkReason, Ref
from schemas.policy import Basis
from schemas.scope import Scope
from schemas.subject import SubjectKind
from schemas.times import Millis

PART_SIZE = 64
"""How many entries a part holds before the next one is begun."""


def part_key(subject: str, part: int) -> str:
    """The key of a part: the subject's own for the first, `KEY#n` for those that follow."""
    return subject if part == 0 else f"{subject}#{part}"


class Entry(BaseModel):
    """What one event adds to the state of its subject. Times are milliseconds since 1970, UTC."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(description="The type of the event.")
    event_id: EventId
    offset: Annotated[int, Field(ge=0, description="In the partition of the state's position.")]
    recorded_at: Millis
    occurred_at: Millis = Field(description="When it was said, at the latest when it was recorded.")
    idempotency_key: Ref = Field(description="An entry that repeats key and content of one that stands is none.")
    content: Ref = Field(description="Digest of the content; see docs/events.md.")


class StatementEntry(Entry):
    """A grant or a revocation."""

    type: Literal["PreferenceGranted", "PreferenceRevoked"]
    scope: Scope
    valid_until: Millis | None = None
    basis: Basis | None = Field(None, description="Of a grant.")


class MoveEntry(Entry):
    """A contact joined or left an account, or (without an account) went to another person."""

    type: Literal["ContactLinked", "ContactUnlinked", "NumberReassigned"]
    account: Ref | None = None
    reason: LinkReason | None = None


class CorrectionEntry(Entry):
    """An entry of this state does not count."""

    type: Literal["StatementCorrected"]
    corrects: EventId


class FollowUpEntry(Entry):
    """A person has to look at the subject; it is known by the id of this event."""

    type: Literal["FollowUpOpened"]
    reason: str
    holds: bool
    due_at: Millis | None = None


class FollowUpMoveEntry(Entry):
    """Somebody looks at a follow-up, or has done so."""

    type: Literal["FollowUpAssigned", "FollowUpResolved"]
    follow_up: EventId


class State(BaseModel):
    """One part of the state of one subject."""

    kind: SubjectKind
    subject: str
    part: Annotated[int, Field(ge=0)]
    parts: Annotated[int, Field(ge=1)] | None = Field(None, description="How many there are; in the first part only.")
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0, description="Of the last event that is folded into this part.")]
    entries: tuple[dict[str, Any], ...] = Field(description="StatementEntry, MoveEntry, CorrectionEntry, … by type.")
