"""The gateway's local copy of the projections: `Replica`, and what can be wrong with one."""

from consumers.replica.errors import OutrunError, SnapshotError
from consumers.replica.replica import Replica

__all__ = ["OutrunError", "Replica", "SnapshotError"]
