"""A ledger that is open: what every command and library user works with; `consumers/bootstrap/` makes one."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from consumers.gate import Gate, ViewCopy
from consumers.settings import Settings
from ledger.errors import RefusedError
from ledger.log import Log
from ledger.people import People
from ledger.record import Recorder, system_clock
from ledger.reference import References
from projections.catch_up import catch_up
from projections.log_view import LogView
from projections.reference_data import Reference
from projections.sharing import Sharing
from projections.view import Store
from schemas.events import OPERATOR_POLICY
from schemas.policy import Policy
from schemas.subject import Subject


@runtime_checkable
class Keeps(Protocol):
    """A log or store that can copy itself to a file while it is in use."""

    def backup_to(self, path: Path) -> None:
        """Writes a consistent copy of it to a new file."""
        ...


@dataclass(frozen=True)
class Ledger:
    """The log, the erasable stores beside it, the one way in, and views of what the events add up to."""

    settings: Settings
    log: Log
    people: People
    references: References
    recorder: Recorder
    open_store: Callable[[], Store]
    open_objects: ExitStack
    open_sharing: Callable[[], Sharing | None] = lambda: None
    """What is handed out of the read models; None where there is no database of them."""
    staleness_limit_s: float = math.inf
    """Below this the largest `max_staleness_s` of a policy has to be: a gateway that is further behind than half of the
    time after which tables are compacted may miss what was in them."""

    def view(self) -> LogView:
        """Every subject's state, as fresh as the log is now."""
        return LogView(self.log)

    def gate(self) -> Gate:
        """Answers from the log itself."""
        return Gate(ViewCopy(self.view()), self.references, default_brand=self.settings.brand)

    def store(self, progress: Callable[[int], None] = lambda _events: None) -> Store:
        """The stored projections, caught up with the log."""
        store = self.open_store()
        catch_up(self.log, store, progress)
        return store

    def ref(self, subject: Subject) -> str:
        """The reference by which the ledger knows a subject."""
        return self.references.of_subject(subject)

    def brand(self) -> str:
        """The brand meant where none is given: the setting's, else that of the policy in force."""
        policy = Reference({OPERATOR_POLICY: self.view().parts(OPERATOR_POLICY)}).policy(system_clock())
        return self.settings.brand or policy.brand

    def must_bear(self, policy: Policy) -> None:
        """Raises RefusedError for a policy that lets a gateway's copy be older than its tables bear."""
        if policy.lease_s >= self.staleness_limit_s:
            raise RefusedError(
                f"{policy.label} lets a gateway's copy be {policy.lease_s:g} s old, and the tables may be compacted "
                f"after {2 * self.staleness_limit_s:g} s: first set min.compaction.lag.ms of the three tables above "
                f"{2_000 * policy.lease_s:.0f} (docs/operations.md)"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open_objects.close()
