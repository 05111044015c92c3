"""What contacts and accounts have in common: statements, corrections, follow-ups. Pure."""

from typing import Any

from schemas.events import (
    Event,
    FollowUpAssigned,
    FollowUpOpened,
    FollowUpResolved,
    PreferenceGranted,
    PreferenceRevoked,
    StatementCorrected,
)

Fields = dict[str, Any]


def said_of_subject(event: Event) -> Fields:
    """What a statement, a correction or a follow-up adds to the state of its subject."""
    match event:
        case PreferenceRevoked(scope=scope):
            return {"scope": (scope.brand, scope.channel, scope.purpose), "valid_until": event.valid_until}
        case PreferenceGranted(scope=scope):
            said = (scope.brand, scope.channel, scope.purpose)
            return {"scope": said, "valid_until": event.valid_until, "basis": event.basis}
        case StatementCorrected():
            return {"corrects": event.corrects}
        case FollowUpOpened():
            return {"follow_up": event.event_id, "holds": event.holds, "reason": event.reason, "due_at": event.due_at}
        case FollowUpAssigned():
            return {"follow_up": event.follow_up, "assignee": event.assignee}
        case FollowUpResolved():
            return {"follow_up": event.follow_up, "resolution": event.resolution}
    return {}
