"""What is asked of a file, once for all of its rows, and what came of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

NOT_A_CONTACT: Final = "not_a_contact"
"""In place of a reason, for a row whose contact cannot be understood: it may not be sent to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The message that would go out to every row. `at` in milliseconds; `region` (ISO 3166) for national numbers."""

    channel: str
    purpose: str
    at: int
    brand: str | None = None
    sender: str | None = None
    region: str | None = None
    column: str = "number"


@dataclass(slots=True)
class Result:
    """How many rows may be sent to, and why the others may not. `denied` counts the `rejected` too."""

    rows: int = 0
    allowed: int = 0
    denied: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)

    @property
    def rejected(self) -> int:
        """Rows that are no contacts."""
        return self.by_reason[NOT_A_CONTACT]

    def add(self, allowed: int, by_reason: Mapping[str, int]) -> None:
        """Counts more rows; `by_reason` holds those that may be sent to as well."""
        rows = sum(by_reason.values())
        self.rows += rows
        self.allowed += allowed
        self.denied += rows - allowed
        self.by_reason.update(by_reason)

    def as_json(self) -> dict[str, object]:
        """As `scrub --json` ends."""
        counted = {"rows": self.rows, "allowed": self.allowed, "denied": self.denied, "rejected": self.rejected}
        return counted | {"by_reason": dict(sorted((+self.by_reason).items()))}
