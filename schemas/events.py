"""The closed set of events. Every event has one subject, which is its key; folding it changes that subject only.

Evolution is additive; a version that is no longer written is upcast on read (`schemas/upcast.py`). What can name
a person (subject, account, actor, idempotency key) is a keyed reference (`ledger/reference.py`); sources and
reasons are published codes; a person's own words are evidence and live beside the ledger.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.envelope import (
    ContactEvent,
    Envelope,
    EventId,
    LinkReason,
    OperatorEvent,
    Procedure,
    Ref,
    SubjectEvent,
)
from schemas.policy import Basis, Code, Policy
from schemas.scope import Scope
from schemas.times import Millis

OPERATOR_LEDGER = "operator:ledger"
OPERATOR_POLICY = "operator:policy"
OPERATOR_PROCEDURES = "operator:procedures"
OPERATOR_SENDERS = "operator:senders"
OPERATOR_TRAFFIC = "operator:traffic"
OPERATOR_GATEWAYS = "operator:gateways"
OPERATOR_INBOX = "operator:inbox"


class PreferenceGranted(SubjectEvent):
    """The subject said yes to a scope."""

    type: Literal["PreferenceGranted"] = "PreferenceGranted"
    schema_version: Literal[1] = 1
    scope: Scope
    basis: Basis
    valid_until: Millis | None = None


class PreferenceRevoked(SubjectEvent):
    """The subject said no to a scope."""

    type: Literal["PreferenceRevoked"] = "PreferenceRevoked"
    schema_version: Literal[1] = 1
    scope: Scope
    valid_until: Millis | None = None


class StatementCorrected(SubjectEvent):
    """An event of the same subject was wrong: it no longer counts. Nothing is ever edited."""

    type: Literal["StatementCorrected"] = "StatementCorrected"
    schema_version: Literal[1] = 1
    corrects: EventId
    reason: Code = "wrong"


class SubjectErased(SubjectEvent):
    """Identity and evidence of the subject were erased; the suppression stays."""

    type: Literal["SubjectErased"] = "SubjectErased"
    schema_version: Literal[1] = 1


class ContactLinked(ContactEvent):
    """The contact belongs to an account."""

    type: Literal["ContactLinked"] = "ContactLinked"
    schema_version: Literal[1] = 1
    account: Ref
    reason: LinkReason = "added"


class ContactUnlinked(ContactEvent):
    """The contact no longer belongs to an account."""

    type: Literal["ContactUnlinked"] = "ContactUnlinked"
    schema_version: Literal[1] = 1
    account: Ref
    reason: LinkReason = "closed"


class NumberReassigned(ContactEvent):
    """Another person holds the number from now on: a new tenure."""

    type: Literal["NumberReassigned"] = "NumberReassigned"
    schema_version: Literal[1] = 1


class FollowUpOpened(Envelope):
    """A person has to look at something; `causation_id` names the event it is about.

    While it is open and holds, nothing that needs consent goes out.
    """

    type: Literal["FollowUpOpened"] = "FollowUpOpened"
    schema_version: Literal[2] = 2
    reason: Code
    holds: bool
    due_at: Millis | None = None


class FollowUpAssigned(Envelope):
    """A follow-up has somebody who works on it."""

    type: Literal["FollowUpAssigned"] = "FollowUpAssigned"
    schema_version: Literal[1] = 1
    follow_up: EventId
    assignee: Ref


class FollowUpResolved(Envelope):
    """A follow-up is done."""

    type: Literal["FollowUpResolved"] = "FollowUpResolved"
    schema_version: Literal[1] = 1
    follow_up: EventId
    resolution: Code = "done"


class LedgerOpened(OperatorEvent):
    """The first event of a ledger."""

    type: Literal["LedgerOpened"] = "LedgerOpened"
    schema_version: Literal[1] = 1
    ledger_id: EventId
    secret_fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    partitions: Annotated[int, Field(ge=1)] = 1


class PolicyPublished(OperatorEvent):
    """A version of the policy, effective from the time that it names."""

    type: Literal["PolicyPublished"] = "PolicyPublished"
    schema_version: Literal[1] = 1
    policy: Policy


class ProcedureEvent(OperatorEvent):
    """About one version of a procedure that staff follow."""

    procedure: Procedure


class ProcedurePublished(ProcedureEvent):
    """Staff may follow this version of a procedure."""

    type: Literal["ProcedurePublished"] = "ProcedurePublished"
    schema_version: Literal[1] = 1


class ProcedureWithdrawn(ProcedureEvent):
    """Staff may not follow this version of a procedure any more."""

    type: Literal["ProcedureWithdrawn"] = "ProcedureWithdrawn"
    schema_version: Literal[1] = 1


class ProcedureAcknowledged(ProcedureEvent):
    """An agent has read this version of a procedure."""

    type: Literal["ProcedureAcknowledged"] = "ProcedureAcknowledged"
    schema_version: Literal[1] = 1
    agent: Ref


class SenderEvent(OperatorEvent):
    """About one sender: a long code, a short code, an alphanumeric id, a caller id, a mail address."""

    sender: Annotated[str, Field(min_length=1, max_length=254)]


class SenderRegistered(SenderEvent):
    """The operator says that a sender is its own, and whether it takes replies."""

    type: Literal["SenderRegistered"] = "SenderRegistered"
    schema_version: Literal[1] = 1
    brand: str
    takes_replies: bool


class SenderVerified(SenderEvent):
    """It was checked that the sender is assigned to the operator."""

    type: Literal["SenderVerified"] = "SenderVerified"
    schema_version: Literal[1] = 1


class SenderSuspended(SenderEvent):
    """Nothing may go out under this sender."""

    type: Literal["SenderSuspended"] = "SenderSuspended"
    schema_version: Literal[1] = 1
    reason: Code = "suspended"


class TrafficHalted(OperatorEvent):
    """The stop switch: nothing of the scope goes out."""

    type: Literal["TrafficHalted"] = "TrafficHalted"
    schema_version: Literal[1] = 1
    scope: Scope


class TrafficResumed(OperatorEvent):
    """Ends the halts of exactly this scope that came before it on both clocks."""

    type: Literal["TrafficResumed"] = "TrafficResumed"
    schema_version: Literal[1] = 1
    scope: Scope


class GatewayEvent(OperatorEvent):
    """About one process of a gateway."""

    gateway: Code
    process: EventId


class GatewayRegistered(GatewayEvent):
    """A gateway process may take decisions from now on."""

    type: Literal["GatewayRegistered"] = "GatewayRegistered"
    schema_version: Literal[1] = 1


class GatewayRetired(GatewayEvent):
    """A gateway process takes no decisions any more."""

    type: Literal["GatewayRetired"] = "GatewayRetired"
    schema_version: Literal[1] = 1


Statement = PreferenceGranted | PreferenceRevoked
Membership = ContactLinked | ContactUnlinked | NumberReassigned
Event = (
    PreferenceGranted
    | PreferenceRevoked
    | StatementCorrected
    | SubjectErased
    | ContactLinked
    | ContactUnlinked
    | NumberReassigned
    | FollowUpOpened
    | FollowUpAssigned
    | FollowUpResolved
    | LedgerOpened
    | PolicyPublished
    | ProcedurePublished
    | ProcedureWithdrawn
    | ProcedureAcknowledged
    | SenderRegistered
    | SenderVerified
    | SenderSuspended
    | TrafficHalted
    | TrafficResumed
    | GatewayRegistered
    | GatewayRetired
)
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
EVENT_TYPES: dict[str, type[Event]] = {event.model_fields["type"].default: event for event in Event.__args__}
