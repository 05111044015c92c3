"""The port of the read models: rows, folded states and positions in one database, changed in one transaction a turn.

`tests/consumers/projector` holds every database to this. Tables and columns are named as in
`projections/adapters/read_models.py`; what comes in goes in as a value, never as a part of a statement.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from ledger.errors import LedgerError
from projections.fold import Part
from projections.rows.coverage import Alike
from projections.rows.flat import Row
from projections.statement import Fields

Keys = Collection[str] | Collection[int]
"""Values of one column."""


class OtherVersionError(LedgerError):
    """The tables are of another version than this program. Nothing was changed."""


class NoRightsError(LedgerError):
    """The database's role may not do what is needed. Nothing was changed."""


class Place(NamedTuple):
    """How far the rows have a partition: up to `offset`, exclusive; times in milliseconds."""

    offset: int
    recorded_at: int
    caught_up_at: int


class Revocation(NamedTuple):
    """An opt-out as its row in `events` has it; times in milliseconds."""

    partition: int
    offset: int
    event_id: str
    requested_at: int
    recorded_at: int


class Left(NamedTuple):
    """What there was before rows were left: all of it, which of it went, and which rows came."""

    before: Collection[Row]
    gone: Collection[Row]
    came: Collection[Row]


class Turn(Protocol):
    """One transaction: all that is done in it is there together once it ends well, and nothing of it otherwise.

    Only one turn of all processes goes on at a time; readers are not kept waiting and see nothing of it before its end.
    """

    def positions(self) -> dict[int, Place]:
        """Up to where the rows have each partition."""
        ...

    def put_positions(self, places: Mapping[int, Place]) -> None:
        """Notes how far some partitions are."""
        ...

    def mark(self, name: str) -> str | None:
        """What was noted under a name."""
        ...

    def put_mark(self, name: str, value: str) -> None:
        """Notes something for a later turn."""
        ...

    def states_of(self, subjects: Collection[str]) -> dict[str, list[Part]]:
        """All parts, in order, of each subject that has a state."""
        ...

    def read_states(self, subjects: Collection[str]) -> dict[str, list[Fields]]:
        """As `states_of`, to be asked and not to be folded further."""
        ...

    def subjects_after(self, last: str, many: int) -> list[str]:
        """The next so many subjects that have a state, in the order of their references."""
        ...

    def put_states(self, parts: Mapping[str, Part]) -> None:
        """Stores parts by key, in place of what is there."""
        ...

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Adds rows, in the order of the table's columns."""
        ...

    def rows(self, table: str, column: str, values: Keys) -> Collection[Row]:
        """The rows that have one of the values in a column."""
        ...

    def leave(self, table: str, column: str, values: Keys, rows: Sequence[Row]) -> Left:
        """Leaves just these of the rows that have one of the values in a column; answers what that changed.

        What is there already is not written again.
        """
        ...

    def remove(self, table: str, column: str, values: Collection[str]) -> None:
        """Removes the rows that have one of the values in a column."""
        ...

    def remove_from(self, table: str, column: str, start: int) -> None:
        """Removes the rows that have at least so much in a column."""
        ...

    def clear(self, table: str) -> None:
        """Removes all rows of a table."""
        ...

    def revocations(self, partition: int, start: int, end: int, many: int) -> list[Revocation]:
        """The first so many opt-outs among the events from a place on and before another; each once by its id."""
        ...

    def members_of(self, accounts: Collection[str]) -> set[str]:
        """The contacts that were ever in one of the accounts, by the rows."""
        ...

    def accounts_of(self, contacts: Collection[str]) -> set[str]:
        """The accounts that one of the contacts was ever in, by the rows."""
        ...

    def memberships(self, contacts: Collection[str]) -> dict[str, list[str]]:
        """The accounts that each of the contacts belongs to now, by the rows."""
        ...

    def due(self, at: int) -> set[str]:
        """The contacts whose current preference may have changed by itself up to a moment."""
        ...

    def heard_of(self, accounts: Collection[str]) -> dict[str, int]:
        """When the ledger first heard of each of the accounts that have a row."""
        ...

    def opted_out(self, accounts: Collection[str], at: int) -> dict[str, dict[str, int]]:
        """For each account that is opted out at a moment: in which scopes, and since when."""
        ...

    def all_accounts(self) -> set[str]:
        """Every account that has a row."""
        ...

    def members_alike(self, accounts: Collection[str]) -> Iterator[tuple[str, list[Alike]]]:
        """For each of the accounts that has members now: its members, those of like rows together."""
        ...


class ReadModels(Protocol):
    """A database of read models. Raises UnavailableError, OtherVersionError, NoRightsError."""

    def turn(self) -> AbstractContextManager[Turn]:
        """One transaction, once it is its turn."""
        ...

    def positions(self) -> dict[int, Place]:
        """Up to where readers see each partition."""
        ...

    def beside(self, made_by: str) -> "ReadModels":
        """A second set of tables beside this one, without indexes: what an earlier run left of it, if that run was of
        the same `made_by`, else an empty one."""
        ...

    def index(self) -> None:
        """Makes the indexes that a set beside was without."""
        ...

    def take_over(self, new: "ReadModels", finish: Callable[[], None]) -> None:
        """Puts the rows of a set beside in place of these, in one transaction, and removes what is left over.

        While `finish` brings the new ones up to these, no turn goes on here. Readers see the old rows or the new ones.
        """
        ...

    def close(self) -> None:
        """Lets go of the database. Repeatable."""
        ...


def chunked(values: Iterable[str], many: int) -> Iterator[list[str]]:
    """The values, in order, so many at a time."""
    ordered = sorted(values)
    for start in range(0, len(ordered), many):
        yield ordered[start : start + many]
