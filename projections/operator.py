"""The fold of the operator's subjects: policies, procedures, senders, the stop switch, gateways, the inbox. Pure."""

from projections.statement import Fields, said_of_subject
from schemas.events import (
    Event,
    GatewayEvent,
    LedgerOpened,
    PolicyPublished,
    ProcedureEvent,
    SenderEvent,
    TrafficHalted,
    TrafficResumed,
)

SENDER = {"sender", "brand", "takes_replies", "reason"}


def adds(event: Event) -> Fields:
    """What an event adds to the state of a thing of the operator's."""
    match event:
        case PolicyPublished():
            return {"policy": event.policy.model_dump(mode="json", exclude_none=True)}
        case ProcedureEvent():
            return event.model_dump(include={"procedure", "agent"})
        case SenderEvent():
            return event.model_dump(include=SENDER)
        case TrafficHalted(scope=scope) | TrafficResumed(scope=scope):
            return {"scope": (scope.brand, scope.channel, scope.purpose)}
        case GatewayEvent():
            return {"gateway": event.gateway, "process": event.process}
        case LedgerOpened():
            return event.model_dump(include={"ledger_id", "secret_fingerprint", "partitions"})
    return said_of_subject(event)
