"""What somebody asks to be recorded, as people write it; `ledger/record.py` is the only one to act on it.

Times are milliseconds, UTC; `occurred_at` is when the person said it, None for now.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from schemas.envelope import LinkReason
from schemas.policy import Basis, Reach
from schemas.scope import EVERYTHING
from schemas.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who asks and how it came in; shared by all that one caller asks.

    `actor` is KIND:ID with kind person, agent, system, import or regulator; the ids of persons and agents are
    turned into references. `follow_up_each`: every flagged event opens a follow-up of its own; an import, whose
    rows share their flaws, opens one for all of them instead.
    """

    actor: str = "system:cli"
    source: str = "cli"
    procedure: str | None = None
    language: str | None = None
    jurisdiction: str | None = None
    correlation_id: str | None = None
    follow_up_each: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What all requests about a contact or an account have in common.

    `time_unclear`: a time was given that could not be read; a revocation then counts from now on, flagged.
    """

    subject: Subject
    origin: Origin = field(default_factory=Origin)
    occurred_at: int | None = None
    time_unclear: bool = False
    idempotency_key: str | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke(Request):
    """The subject says no. Never refused; what is unknown is widened to everything."""

    brand: str = EVERYTHING
    channel: str = EVERYTHING
    purpose: str = EVERYTHING
    valid_until: int | None = None
    reach: Reach | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Request):
    """The subject says yes. Refused where anything about it is doubtful."""

    brand: str
    channel: str
    purpose: str
    basis: Basis
    valid_until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Request):
    """The contact belongs to an account."""

    account: Subject
    reason: LinkReason = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlink(Request):
    """The contact no longer belongs to an account."""

    account: Subject
    reason: LinkReason = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassign(Request):
    """Another person holds the number from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase(Request):
    """Identity and evidence of the subject are to be removed; the caller removes them once this is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFollowUp(Request):
    """A person has to look at the subject; `holds` stops what needs consent until it is resolved."""

    reason: str
    holds: bool
    due_at: int | None = None


class Alike(NamedTuple):
    """What another request says, said of this subject: the rows of a list say the same of many."""

    subject: Subject
    like: Request

    def request(self) -> Request:
        """The request by itself."""
        return replace(self.like, subject=self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """A correction, assignment or resolution: it carries the subject of the event that it names.

    `details` are the fields of the event type. `role` is what the caller may do; correcting a revocation
    needs the role `corrector`.
    """

    type: str
    event_id: str
    details: dict[str, Any] = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)
    occurred_at: int | None = None
    idempotency_key: str | None = None
    evidence: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operate:
    """Something about a thing of the operator's: `subject` is `operator:…`, `details` the event type's fields."""

    type: str
    subject: str
    details: dict[str, Any]
    origin: Origin = field(default_factory=Origin)
    occurred_at: int | None = None
    idempotency_key: str | None = None
    evidence: str | None = None


AnyRequest = Request | Alike | Amend | Operate
