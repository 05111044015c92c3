"""What workers and gateways tell each other besides states: watermarks, receipts, logged decisions, rejected entries.

Each is the JSON value of a topic (`docs/topics.md`). Times are milliseconds since 1970, UTC.
"""

import base64
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from schemas.decision import Reason
from schemas.envelope import EventId, Ref
from schemas.policy import Code
from schemas.subject import SubjectKind
from schemas.times import Millis
from schemas.topics import Table

Offset = Annotated[int, Field(ge=0)]
Marks = dict[int, Offset]
"""For each partition of the ledger the offset up to which (exclusive) it was applied."""
LONGEST_KEY: Final = 1_000
"""Bytes of its key that an entry is set aside with."""
LONGEST_REASON: Final = 500
"""Characters: some reasons quote the entry, which may be nothing but one long word."""
LARGEST_COPY: Final = 500_000
"""Bytes of an entry's value that is set aside with it."""


class Said(BaseModel):
    """Fields may be added; readers pass over those that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Watermark(Said):
    """A table's partition holds everything of the ledger's partition of the same number, up to here.

    A worker need not write it into all three tables: those that it left alone are `unchanged`, each with the watermark
    that it has itself. Whoever has read that one, or a later one, in such a table knows it up to `offset` as well.
    """

    partition: Annotated[int, Field(ge=0)]
    offset: Offset = Field(description="Of the next entry to be folded (exclusive).")
    recorded_at: Millis = Field(description="The latest time recorded so far; it never runs backwards.")
    unchanged: dict[Table, Offset] = Field(
        {}, description="For each table that was not written, its own last watermark: nothing came into it since."
    )

    def to_bytes(self) -> bytes:
        """The stored form."""
        return self.model_dump_json(exclude_defaults=True).encode()


class Receipt(Said):
    """What one process of a gateway has applied. The broker's own time of the record says when it was told."""

    gateway: Code
    process: EventId = Field(description="Of this run of the process.")
    at: Millis = Field(description="By the gateway's own clock; for people to read, never to compare.")
    ledger_version: Annotated[int, Field(ge=1)] = Field(
        1, description="Of the ledger's topic that the watermark is of: `preferences.ledger.v1`."
    )
    watermark: Marks
    fresh_for_ms: Annotated[int, Field(ge=0)] | None = Field(
        None, description="How long ago the copy was last known to hold all of the ledger; absent before it ever was."
    )
    lease_ms: Annotated[int, Field(ge=0)] = Field(
        description="From then on it allows nothing that needs consent once it has been that long."
    )
    policy: str = Field(description="NAME@VERSION in force at the gateway.")
    state: Literal["starting", "current", "stale", "ended"] = Field(
        description="`ended` is the last of a process that stopped cleanly: it answers nobody any more."
    )


class LoggedDecision(Said):
    """A decision on a real send, with all that it was made from, by reference only."""

    decision_id: EventId
    gateway: Code
    process: EventId
    kind: SubjectKind
    subject: Ref
    channel: str
    purpose: str
    brand: str
    sender: str | None = None
    jurisdiction: str | None = None
    at: Millis
    allowed: bool
    reason: Reason
    rule: str
    policy: str
    evidence: tuple[EventId, ...]
    watermark: Marks
    staleness_ms: Annotated[int, Field(ge=0)] | None = Field(None, description="Absent before it ever was current.")
    shadow: bool = Field(False, description="It was answered as allowed, whatever it says here.")
    rechecks: EventId | None = Field(None, description="The decision that this one takes the place of.")


class RejectedEntry(Said):
    """An entry of the ledger, or of another topic, that could not be read: set aside, never dropped."""

    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Offset
    key: str | None = Field(None, description=f"Its first {LONGEST_KEY:,} bytes, if it has more.")
    reason: str
    value: str | None = Field(None, description="As it was found, base64; absent where it is too large to be copied.")

    @classmethod
    def of(cls, topic: str, partition: int, offset: int, reason: str, key: bytes | None, value: bytes | None) -> Self:
        """Of whatever stands there, something that a topic takes: where it stands is enough to find the rest."""
        return cls(
            topic=topic, partition=partition, offset=offset, reason=reason[:LONGEST_REASON],
            key=None if key is None else key[:LONGEST_KEY].decode(errors="replace"),
            value=None if value is None or len(value) > LARGEST_COPY else base64.b64encode(value).decode(),
        )  # fmt: skip


class Look(Said):
    """Somebody looked at an identity or at a person's words. It stands among the identities, for auditors."""

    at: Millis
    ref: Ref
    by: str
    what: str
