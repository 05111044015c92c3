"""What every event carries, whatever it says."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.policy import Code
from schemas.subject import SubjectKind
from schemas.times import Millis

Ref = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="Keyed reference of a person's identifier.")]
EventId = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        description="UUIDv7.",
    ),
]
Procedure = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}@[A-Za-z0-9._-]{1,32}$", description="NAME@VERSION.")]
Flag = Literal[
    "widened_channel",
    "widened_purpose",
    "widened_brand",
    "clamped_time",
    "procedure_withdrawn",
    "procedure_unknown",
    "key_conflict",
    "past_unknown",
]
LinkReason = Literal["added", "ported", "transferred", "closed"]


class Shape(BaseModel):
    """Unknown fields are ignored on read: a newer writer may have added some."""

    model_config = ConfigDict(frozen=True)


class Capture(Shape):
    """How the change came in: a published source code and the procedure that was followed."""

    source: Code
    procedure: Procedure | None = None


class Evidence(Shape):
    """A commitment, SHA-256(salt ‖ text), to words that are kept, erasable, beside the ledger."""

    commitment: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] | None = None
    kind: Code = "text"


class Envelope(Shape):
    """What every event carries. Times are milliseconds since 1970, UTC."""

    kind: SubjectKind = Field(description="What the subject is.")
    subject: Annotated[str, Field(pattern=r"^([0-9a-f]{32}|operator:[a-z]+)$")]
    event_id: EventId
    occurred_at: Millis = Field(description="When the person said it.")
    received_at: Millis = Field(description="When it reached us.")
    actor: Annotated[
        str, Field(pattern=r"^(person|agent):[0-9a-f]{32}$|^(system|import|regulator):[A-Za-z0-9._-]{1,64}$")
    ]
    capture: Capture
    evidence: Evidence | None = None
    jurisdiction: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    idempotency_key: Ref
    content: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] = Field(
        description="SHA-256, first 16 bytes, of all fields but times, ids, evidence and flags; see docs/events.md."
    )
    correlation_id: EventId | None = None
    causation_id: EventId | None = None
    flags: tuple[Flag, ...] = ()


class SubjectEvent(Envelope):
    """About a contact or an account."""

    kind: Literal["number", "email", "account"] = Field(description="What the subject is.")


class ContactEvent(Envelope):
    """About a contact."""

    kind: Literal["number", "email"] = Field(description="What the subject is.")


class OperatorEvent(Envelope):
    """About a thing of the operator's."""

    kind: Literal["operator"] = Field(description="What the subject is.")
