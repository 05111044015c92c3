"""Read models in a database at a SQLAlchemy URL: the port `projections.read_models.ReadModels`."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

import sqlalchemy as sa

from projections.adapters.pseudonym_rows import Naming, are_shared, check_key, give_pseudonyms, references_in
from projections.adapters.read_model_engine import LIVE, engine_of, explained
from projections.adapters.read_model_replacing import begin_beside, make_indexes, place_beside, put_in_place
from projections.adapters.read_model_writing import among, hold_turns, insert, place_of, remove_at
from projections.adapters.read_models import (
    ACCOUNT_NUMBERS,
    ACCOUNTS,
    COMING_CHANGES,
    CURRENT_PREFERENCES,
    EVENTS,
    MARKS,
    POSITIONS,
    PREFERENCE_HISTORY,
    READ_MODELS,
    STATES,
)
from projections.fold import Part, from_bytes, to_bytes, unpacked
from projections.read_models import Keys, Left, Place, ReadModels, Revocation, chunked
from projections.rows.coverage import Alike
from projections.rows.flat import Row
from projections.rows.intervals import REVOKED
from projections.statement import Fields
from schemas.states import part_key

Read = TypeVar("Read")
STATES_AT_ONCE = 2_000
"""A state may be long, and its bytes stand in memory three times on their way to or from the server."""


class SqlReadModels:
    """The tables of one set. Raises as the port says."""

    def __init__(self, url: str, schema: str = LIVE, naming: Callable[[], Naming] | None = None) -> None:
        """Reaches for nothing yet. Raises InputError.

        `naming` is asked for once the read models were handed out: from then on a turn names whom it gives rows.
        """
        self._url, self._naming = url, naming
        self._engine = engine_of(url, schema)
        self._writing = self._engine.execution_options(writes=True)

    @contextmanager
    def turn(self) -> Iterator["SqlTurn"]:
        """One transaction, once it is its turn."""
        with explained(self._engine), self._writing.begin() as connection:
            hold_turns(connection)
            turn = SqlTurn(connection)
            yield turn
            if self._naming and turn.named and are_shared(connection):
                naming = self._naming()
                check_key(connection, naming)
                give_pseudonyms(connection, turn.named, naming)

    def positions(self) -> dict[int, Place]:
        """Up to where readers see each partition."""
        with explained(self._engine), self._engine.connect() as connection:
            return SqlTurn(connection).positions()

    def members(self, account: str) -> list[tuple[str, int]]:
        """The contacts that belong to an account, and since when, as far as the rows are."""
        member = ACCOUNT_NUMBERS.c
        query = sa.select(member.subject, member.joined_at).where(member.account == account, member.left_at.is_(None))
        with explained(self._engine), self._engine.connect() as connection:
            found = connection.execute(query.order_by(member.joined_at, member.subject))
            return [(row.subject, row.joined_at) for row in found]

    def beside(self, made_by: str) -> "SqlReadModels":
        """A second set of tables beside this one."""
        with explained(self._engine):
            begin_beside(self._url, made_by)
        return SqlReadModels(*place_beside(self._url))

    def index(self) -> None:
        """Makes the indexes that a set beside was without."""
        make_indexes(self._engine)

    def take_over(self, new: ReadModels, finish: Callable[[], None]) -> None:
        """Puts the rows of a set beside in place of these, in one transaction."""

        def finish_and_let_go() -> None:
            finish()
            new.close()  # its connections hold no table and no file of it; it opens others if it is asked again

        put_in_place(self._url, self._engine, finish_and_let_go, self._naming)

    def close(self) -> None:
        """Lets go of the database."""
        self._engine.dispose()


class SqlTurn:
    """The port `projections.read_models.Turn` on a connection that is in a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.named: set[str] = set()
        """References in the rows that were added."""

    def positions(self) -> dict[int, Place]:
        """Up to where the rows have each partition."""
        return {row[0]: Place(*row[1:]) for row in self._connection.execute(sa.select(POSITIONS))}

    def put_positions(self, places: Mapping[int, Place]) -> None:
        """Notes how far some partitions are."""
        self._connection.execute(sa.delete(POSITIONS).where(POSITIONS.c.partition.in_(places)))
        insert(self._connection, POSITIONS, [(partition, *place) for partition, place in places.items()])

    def mark(self, name: str) -> str | None:
        """What was noted under a name."""
        found: str | None = self._connection.execute(sa.select(MARKS.c.value).where(MARKS.c.name == name)).scalar()
        return found

    def put_mark(self, name: str, value: str) -> None:
        """Notes something for a later turn."""
        self.remove("marks", "name", [name])
        insert(self._connection, MARKS, [(name, value)])

    def states_of(self, subjects: Collection[str]) -> dict[str, list[Part]]:
        """All parts, in order, of each subject that has a state."""
        return self._whole(subjects, from_bytes, attrgetter)

    def read_states(self, subjects: Collection[str]) -> dict[str, list[Fields]]:
        """As `states_of`, to be asked and not to be folded further."""
        return self._whole(subjects, unpacked, itemgetter)

    def _whole(
        self, subjects: Collection[str], read: Callable[[bytes], Read], field: Callable[[str], Callable[[Read], Any]]
    ) -> dict[str, list[Read]]:
        """All parts of each subject as `read` has them, of which `field` takes a field."""
        whose, parts = field("subject"), field("parts")
        found = {whose(first): [first] for first in map(read, self._values(subjects))}
        later = [part_key(name, number) for name, [first] in found.items() for number in range(1, parts(first) or 1)]
        for part in sorted(map(read, self._values(later)), key=field("part")):
            found[whose(part)].append(part)
        return found

    def _values(self, keys: Collection[str]) -> Iterator[bytes]:
        for some in chunked(keys, STATES_AT_ONCE):
            query = sa.select(STATES.c.value).where(among(self._connection, STATES.c.key, some))
            yield from map(bytes, self._connection.execute(query).scalars().all())

    def subjects_after(self, last: str, many: int) -> list[str]:
        """The next so many subjects that have a state, in the order of their references."""
        first_parts = STATES.c.key.not_like("%#%")
        query = sa.select(STATES.c.key).where(STATES.c.key > last, first_parts).order_by(STATES.c.key).limit(many)
        return list(self._connection.execute(query).scalars())

    def put_states(self, parts: Mapping[str, Part]) -> None:
        """Stores parts by key, in place of what is there."""
        for some in chunked(parts, STATES_AT_ONCE):
            self.remove("states", "key", some)
            insert(self._connection, STATES, [(key, to_bytes(parts[key])) for key in some])

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Adds rows, in the order of the table's columns."""
        insert(self._connection, READ_MODELS.tables[table], rows)
        self.named |= references_in(READ_MODELS.tables[table], rows)

    def rows(self, table: str, column: str, values: Keys) -> Collection[Row]:
        """The rows that have one of the values in a column."""
        return self._places(table, column, values).keys()

    def leave(self, table: str, column: str, values: Keys, rows: Sequence[Row]) -> Left:
        """Leaves just these of the rows that have one of the values in a column; answers what that changed."""
        there, wanted = self._places(table, column, values), set(rows)
        gone = {row: place for row, place in there.items() if row not in wanted}
        remove_at(self._connection, READ_MODELS.tables[table], gone.values())
        came = [row for row in rows if row not in there]
        self.add(table, came)
        return Left(there.keys(), gone.keys(), came)

    def _places(self, table: str, column: str, values: Keys) -> dict[Row, str]:
        """Rows, and where each lies: that holds for as long as nobody else may write, which is to the turn's end."""
        if not values:
            return {}
        known = READ_MODELS.tables[table]
        query = sa.select(place_of(self._connection), *known.c).where(among(self._connection, known.c[column], values))
        return {tuple(row): place for place, *row in self._connection.execute(query)}

    def remove(self, table: str, column: str, values: Collection[str]) -> None:
        """Removes the rows that have one of the values in a column."""
        if values:
            gone = READ_MODELS.tables[table]
            self._connection.execute(sa.delete(gone).where(among(self._connection, gone.c[column], values)))

    def remove_from(self, table: str, column: str, start: int) -> None:
        """Removes the rows that have at least so much in a column."""
        gone = READ_MODELS.tables[table]
        self._connection.execute(sa.delete(gone).where(gone.c[column] >= start))

    def clear(self, table: str) -> None:
        """Removes all rows of a table."""
        self._connection.execute(sa.delete(READ_MODELS.tables[table]))

    def revocations(self, partition: int, start: int, end: int, many: int) -> list[Revocation]:
        """The first so many opt-outs among the events from a place on and before another; each once by its id."""
        said, other = EVENTS.c, EVENTS.alias("other").c
        is_repeated = sa.exists().where(
            other.event_id == said.event_id, other.partition == partition, other.offset < said.offset
        )
        query = sa.select(said.partition, said.offset, said.event_id, said.occurred_at, said.recorded_at).where(
            said.partition == partition, said.offset >= start, said.offset < end,
            said.type == "PreferenceRevoked", ~is_repeated,
        )  # fmt: skip
        return [Revocation(*row) for row in self._connection.execute(query.order_by(said.offset).limit(many))]

    def members_of(self, accounts: Collection[str]) -> set[str]:
        """The contacts that were ever in one of the accounts, by the rows."""
        return self._distinct(ACCOUNT_NUMBERS.c.subject, ACCOUNT_NUMBERS.c.account, accounts)

    def accounts_of(self, contacts: Collection[str]) -> set[str]:
        """The accounts that one of the contacts was ever in, by the rows."""
        return self._distinct(ACCOUNT_NUMBERS.c.account, ACCOUNT_NUMBERS.c.subject, contacts)

    def _distinct(self, wanted: sa.Column[str], known: sa.Column[str], values: Collection[str]) -> set[str]:
        if not values:
            return set()
        query = sa.select(wanted).distinct().where(among(self._connection, known, values))
        return set(self._connection.execute(query).scalars())

    def memberships(self, contacts: Collection[str]) -> dict[str, list[str]]:
        """The accounts that each of the contacts belongs to now, by the rows."""
        member, found = ACCOUNT_NUMBERS.c, dict[str, list[str]]()
        query = sa.select(member.subject, member.account).where(
            among(self._connection, member.subject, contacts), member.left_at.is_(None)
        )
        for subject, account in self._connection.execute(query) if contacts else ():
            found.setdefault(subject, []).append(account)
        return found

    def due(self, at: int) -> set[str]:
        """The contacts whose current preference may have changed by itself up to a moment."""
        said = (CURRENT_PREFERENCES.c, COMING_CHANGES.c)
        query = sa.union(*(sa.select(one.subject).where(one.changes_at <= at) for one in said))
        return set(self._connection.execute(query).scalars())

    def all_accounts(self) -> set[str]:
        """Every account that has a row."""
        return set(self._connection.execute(sa.select(ACCOUNTS.c.subject)).scalars())

    def heard_of(self, accounts: Collection[str]) -> dict[str, int]:
        """When the ledger first heard of each of the accounts that have a row."""
        known = ACCOUNTS.c
        query = sa.select(known.subject, known.first_recorded_at)
        rows = self._connection.execute(query.where(among(self._connection, known.subject, accounts)))
        return {row.subject: row.first_recorded_at for row in rows}

    def opted_out(self, accounts: Collection[str], at: int) -> dict[str, dict[str, int]]:
        """For each account that is opted out at a moment: in which scopes, and since when."""
        said = PREFERENCE_HISTORY.c
        query = sa.select(said.subject, said.scope, said.valid_from).where(
            among(self._connection, said.subject, accounts),
            said.state == REVOKED, said.valid_from <= at, sa.or_(said.valid_to.is_(None), said.valid_to > at),
        )  # fmt: skip
        found: dict[str, dict[str, int]] = {}
        for account, scope, since in self._connection.execute(query):
            found.setdefault(account, {})[scope] = since
        return found

    def members_alike(self, accounts: Collection[str]) -> Iterator[tuple[str, list[Alike]]]:
        """For each of the accounts that has members now: its members, those of like rows together."""
        member, holds = ACCOUNT_NUMBERS.c, CURRENT_PREFERENCES.c
        query = (
            sa.select(member.account, member.subject, holds.scope, holds.state)
            .select_from(sa.outerjoin(ACCOUNT_NUMBERS, CURRENT_PREFERENCES, member.subject == holds.subject))
            .where(member.left_at.is_(None), among(self._connection, member.account, accounts))
            .order_by(member.account, member.subject, holds.scope)
        )
        for account, rows in groupby(self._connection.execute(query), key=itemgetter(0)):
            counted = Counter(
                tuple((scope, state) for _account, _subject, scope, state in some if scope is not None)
                for _, some in groupby(rows, key=itemgetter(1))
            )
            yield account, [Alike(held, members) for held, members in counted.items()]
