"""The port of extracts: rows of the read models, or of a query over them, as a stream of Arrow batches.

What is read is one moment of the database: the projector may go on meanwhile. Memory does not grow with the number of
rows. `tests/consumers/exporting/test_extracts_are_exact.py` holds every adapter to this.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

HOUR: Final = 3_600_000
INTERNAL: Final = frozenset({"states", "marks", "account_groups", "coming_changes"})
"""What the projector keeps for itself, and nobody queries."""


class Extract(NamedTuple):
    """Columns, and their rows. Times are int64, milliseconds since 1970, UTC, as the tables have them.

    `times`: which of the columns are such times. On PostgreSQL there may be timestamps as well: analysts' views have
    them.
    """

    schema: "pa.Schema"
    batches: "Iterator[pa.RecordBatch]"
    times: frozenset[str]


class Extracts(Protocol):
    """Read models that can be read. Of one thread.

    Every method may raise UnavailableError, OtherVersionError and NoRightsError.
    """

    def table(self, name: str, at: int | None = None) -> AbstractContextManager[Extract]:
        """All rows of a read model; with `at` (milliseconds) as it was then, as far as is known now.

        Raises InputError for a name that is none, or one that was not kept as of a time.
        """
        ...

    def query(self, sql: str) -> AbstractContextManager[Extract]:
        """The rows of one query that reads and does nothing else. Raises InputError for any other."""
        ...

    def close(self) -> None:
        """Lets go of the database. Repeatable."""
        ...


class AsOf(NamedTuple):
    """How a table was at a time, in SQL: which rows there were, what stood in columns, and which are left out.

    `{at}` is the time, `{hour_ago}` an hour before it. It is the time of what people said and did: what had happened
    by then is in it, also where it was recorded later, and what was corrected since is not. So it is what was true
    then, as known now.
    """

    rows: str
    columns: Mapping[str, str] = {}
    without: frozenset[str] = frozenset()


def _by(column: str, what: str | None = None) -> str:
    return f"CASE WHEN {column} <= {{at}} THEN {what or column} END"


AS_OF: Final[Mapping[str, AsOf]] = {
    "preference_history": AsOf("valid_from <= {at}", {"valid_to": _by("valid_to")}),
    "account_numbers": AsOf("joined_at <= {at}", {"left_at": _by("left_at")}),
    "events": AsOf("occurred_at <= {at}"),
    "follow_ups": AsOf(
        "opened_at <= {at}",
        {"resolved_at": _by("resolved_at"), "resolution": _by("resolved_at", "resolution")},
        frozenset({"assignee", "assigned_at"}),  # only the last is kept, who may have come later
    ),
    "enforcement": AsOf(
        "requested_at <= {at}", {"enforced_at": _by("enforced_at"), "lag_ms": _by("enforced_at", "lag_ms")}
    ),
    "decisions": AsOf("hour <= {hour_ago}"),
}
"""The tables that keep what was. `current_preferences` does not, and is folded anew (`consumers/as_it_was.py`)."""
