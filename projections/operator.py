"""The fold of the operator's subjects: policies, procedures, senders, the stop switch, gateways, the inbox."""

from collections.abc import Mapping

ADDS: Mapping[str, tuple[str, ...]] = {
    "LedgerOpened": ("ledger_id", "secret_fingerprint", "partitions"),
    "PolicyPublished": ("policy",),
    "ProcedurePublished": ("procedure",),
    "ProcedureWithdrawn": ("procedure",),
    "ProcedureAcknowledged": ("procedure", "agent"),
    "SenderRegistered": ("sender", "brand", "takes_replies"),
    "SenderVerified": ("sender",),
    "SenderSuspended": ("sender", "reason"),
    "TrafficHalted": ("scope",),
    "TrafficResumed": ("scope",),
    "GatewayRegistered": ("gateway", "process"),
    "GatewayRetired": ("gateway", "process"),
    "FollowUpOpened": ("reason", "holds", "due_at"),
    "FollowUpAssigned": ("follow_up", "assignee"),
    "FollowUpResolved": ("follow_up", "resolution"),
}
