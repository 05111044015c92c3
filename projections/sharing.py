"""What of the read models is handed out: which columns analysts see and as what, and the port of what lies beside them.

The rule is closed: a column that is not named here is in no view, so that a new one is shown only once somebody has
decided that it may be (`tests/consumers/projector/test_analysts_see_no_reference.py` asks for that decision).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from projections.extracts import INTERNAL

Role = Literal["analyst", "auditor", "projector"]
ROLES: tuple[Role, ...] = ("analyst", "auditor", "projector")
Shown = Literal["person", "time", "plain"]

HIDDEN = INTERNAL | {"rejected"}
"""Tables of which nothing is in a view: what the projector keeps for itself, and what was no event."""
PEOPLE = frozenset({"subject", "account", "decided_by", "actor", "assignee"})
"""Columns that hold references; a view has the pseudonym in their place, under the same name."""
TIMES = frozenset({"valid_from", "valid_to", "valid_until", "since", "opted_out_since", "hour", "day"})
"""Columns of milliseconds besides those that end in `_at`."""
PLAIN = frozenset({
    "partition", "offset", "event_id", "type", "kind", "scope", "brand", "channel", "purpose", "state", "level",
    "basis", "about", "causation_id", "reason", "resolution", "flags", "source", "actor_kind", "jurisdiction",
    "procedure_id", "procedure_version", "evidence_kind", "evidence_language", "by_free_text", "numbers", "covered",
    "uncovered", "follow_up", "holds", "sender", "takes_replies", "gateway", "lag_ms", "answer", "count",
})  # fmt: skip
"""Codes, counts and ids of events, which name nobody."""


def is_time(column: str) -> bool:
    """Whether a column of the tables holds milliseconds since 1970, UTC."""
    return column in TIMES or column.endswith("_at")


def shown_as(column: str) -> Shown | None:
    """How a view shows a column of a table that is not hidden; None: not at all."""
    if column in PEOPLE:
        return "person"
    if is_time(column):
        return "time"
    return "plain" if column in PLAIN else None


class Limits(NamedTuple):
    """Of one login: seconds that a statement, an idle transaction and an idle session may last; connections at once;
    megabytes of temporary files."""

    statement_s: int = 30
    idle_in_transaction_s: int = 60
    idle_s: int = 1_800
    connections: int = 5
    temp_file_mb: int = 2_048


class Sharing(Protocol):
    """What lies beside the tables so that they can be handed out: pseudonyms and masked numbers, by reference.

    Every method may raise UnavailableError (NoRoomError for a full disk): nothing was changed then, repeat.
    """

    def is_there(self) -> bool:
        """Whether the database has read models at all: `db upgrade` was run."""
        ...

    def prepare(self) -> None:
        """Makes the views anew over the tables as they are, and what they need. Repeatable."""
        ...

    def name(self, pseudonym: Callable[[str], str], anew: bool = False) -> int:
        """Gives everybody in the tables who has none a pseudonym, in one transaction; returns how many got one.

        `anew`: everybody gets a new one, since the key is another. Without it, raises WrongSecretError then.
        """
        ...

    def without_mask(self, refs: Sequence[str]) -> list[str]:
        """Those of the references that have no masked number yet."""
        ...

    def keep_masks(self, masks: Mapping[str, str]) -> None:
        """Stores masked numbers by reference, in one transaction. Never a number that is not masked."""
        ...

    def erase(self, refs: Iterable[str]) -> int:
        """Removes masked numbers of these references; returns how many rows went. Repeatable.

        On SQLite no byte of them is left in the files. Rows by reference stay: they name nobody.
        """
        ...

    def close(self) -> None:
        """Lets go of the database. Repeatable."""
        ...
