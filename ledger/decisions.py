"""The port of the decision log: what was answered about real sends, and from what (`docs/decisions-log.md`).

It knows people by reference only, as the ledger does, and holds nothing that has to be erased.
`tests/contracts/decisions.py` holds every adapter to this.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from schemas.distributed import LoggedDecision
from schemas.errors import InputError


class UnreadableDecisionError(InputError):
    """What stands in the log is no decision; `doctor` and the readers say where."""


class Stored(NamedTuple):
    """A decision as it stands in the log, not read yet: most questions need few of millions.

    `logged_at`: milliseconds, by the log's clock; `subject`: the 16 bytes of the contact's reference.
    """

    logged_at: int
    subject: bytes
    value: bytes

    def read(self) -> LoggedDecision:
        """What it says. Raises UnreadableDecisionError."""
        try:
            return LoggedDecision.model_validate_json(self.value)
        except ValidationError as error:
            what = error.errors()[0]
            field = ".".join(map(str, what["loc"])) or "it"
            raise UnreadableDecisionError(
                f"what was logged about {self.subject.hex()} is no decision: {field}: {what['msg']}"
            ) from None


class Decisions(Protocol):
    """The decision log. Of one thread."""

    def send(self, decisions: Sequence[LoggedDecision]) -> None:
        """Adds decisions and returns once all of them are durable.

        After UnavailableError some may be there: send them again. A log of several machines may then hold one twice,
        under its one id; it counts once.
        """
        ...

    def find(self, decision_id: str) -> Stored | None:
        """The decision with this id, or None. Raises UnavailableError."""
        ...

    def of_subject(self, ref: str) -> Iterator[Stored]:
        """All decisions about one contact, in the order in which they were logged. Raises UnavailableError."""
        ...

    def scan(self, since: int = 0, until: int | None = None) -> Iterator[Stored]:
        """All that were logged from `since` on and before `until` (by default up to now), in milliseconds.

        In the order in which they were logged, or partition by partition in that order. Streams: memory does not grow
        with their number. Raises UnavailableError.
        """
        ...

    def close(self) -> None:
        """Lets go of the log. Repeatable."""
        ...
