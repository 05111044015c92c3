"""What contacts and accounts have in common: statements, corrections, follow-ups."""

from collections.abc import Mapping
from typing import Any

Fields = dict[str, Any]

ADDS: Mapping[str, tuple[str, ...]] = {
    "PreferenceRevoked": ("scope", "valid_until"),
    "PreferenceGranted": ("scope", "valid_until", "basis"),
    "StatementCorrected": ("corrects",),
    "SubjectErased": (),
    "FollowUpOpened": ("reason", "holds", "due_at"),
    "FollowUpAssigned": ("follow_up", "assignee"),
    "FollowUpResolved": ("follow_up", "resolution"),
}
"""Which fields of an event the state of its subject keeps, besides what every entry has; one line an event."""
