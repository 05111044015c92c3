"""States in a database, through SQLAlchemy: a SQLite file on one machine.

States and watermark commit in one transaction, so that a crash neither loses nor doubles. What is stored can be
folded again from the log at any time, so it need not survive a power cut: the log does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ledger.errors import NoRoomError, NotALedgerError, UnavailableError
from ledger.log import Position
from projections.adapters.sqlite_engine import sqlite_engine
from projections.fold import Part, from_bytes, key_of, to_bytes, to_fields
from projections.statement import Fields
from projections.view import Rejected
from schemas.states import part_key

AT_ONCE = 500
METADATA = sa.MetaData()
STATES = sa.Table(
    "states",
    METADATA,
    sa.Column("key", sa.String, primary_key=True, comment="The subject's reference; #n for its later parts."),
    sa.Column("value", sa.LargeBinary, nullable=False, comment="One part of the state, JSON."),
    sqlite_with_rowid=False,
)
WATERMARKS = sa.Table(
    "watermarks",
    METADATA,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reached", sa.BigInteger, nullable=False, comment="Offset up to which the states have applied it."),
)
REJECTED = sa.Table(
    "rejected",
    METADATA,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
)


class SqlView:
    """A store in the database at a SQLAlchemy URL. Raises UnavailableError, NotALedgerError."""

    def __init__(self, url: str) -> None:
        self._engine = sqlite_engine(url)
        self._writing = self._engine.execution_options(writes=True)
        with self._explained():
            self._prepare()

    def _prepare(self) -> None:
        """Makes the tables of a new database; one of something else it leaves as it is."""
        with self._engine.connect() as connection:
            there = sa.inspect(connection)
            columns = {name: {column["name"] for column in there.get_columns(name)} for name in there.get_table_names()}
        if not columns:
            with closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            with self._writing.begin() as connection:
                METADATA.create_all(connection)
        elif any(columns.get(name) != set(table.c.keys()) for name, table in METADATA.tables.items()):
            raise ValueError("the tables are not those of projections")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        where = self._engine.url.database
        try:
            yield
        except sa.exc.DatabaseError as error:
            said = str(error.orig)
            if "full" in said or "disk I/O" in said:
                raise NoRoomError(f"there is no room to write the projections {where}; make room and repeat") from error
            if "not a database" in said or "malformed" in said:
                raise NotALedgerError(f"{where} holds no projections; remove it, and it is folded anew") from error
            raise UnavailableError(f"the projections {where} cannot be used ({said}); repeat once they can") from error
        except ValueError as error:
            raise NotALedgerError(f"{where} holds no projections; remove it, and it is folded anew") from error

    def parts(self, subject: str) -> Sequence[Fields]:
        """The parts of one subject's state."""
        with self._explained(), self._engine.connect() as connection:
            first = connection.execute(_of([subject])).scalar()
            if first is None:
                return ()
            found = [_part(first)]
            later = [f"{subject}#{part}" for part in range(1, found[0].parts or 1)]
            return [to_fields(part) for part in found + _all_of(connection, later)]

    def parts_of_many(self, subjects: Sequence[str]) -> dict[str, Sequence[Part]]:
        """First and last part of each subject that has a state."""
        with self._explained(), self._engine.connect() as connection:
            firsts = {part.subject: part for part in _in_order(connection, subjects)}
            lasts = [part_key(name, (first.parts or 1) - 1) for name, first in firsts.items() if first.parts != 1]
            found = {part.subject: part for part in _all_of(connection, lasts)}
        return {name: (first, found.get(name, first)) for name, first in firsts.items()}

    def watermark(self) -> Mapping[int, int]:
        """How far the states have applied each partition."""
        with self._explained(), self._engine.connect() as connection:
            return _watermark(connection)

    def write(
        self,
        parts: Mapping[str, Part],
        rejected: Sequence[Rejected],
        seen: Mapping[int, int],
        reached: Mapping[int, int],
    ) -> bool:
        """Stores parts and watermark in one transaction, if the watermark still is `seen`."""
        with self._explained(), self._writing.begin() as connection:
            if _watermark(connection) != dict(seen):
                return False
            if parts:
                rows = [{"key": key, "value": to_bytes(parts[key])} for key in sorted(parts)]
                connection.execute(_upsert(STATES, "value"), rows)
            if rejected:
                connection.execute(_upsert(REJECTED, "reason"), [_row(one) for one in rejected])
            marks = [{"partition": partition, "reached": offset} for partition, offset in reached.items()]
            connection.execute(_upsert(WATERMARKS, "reached"), marks)
        return True

    def all_parts(self) -> Iterator[tuple[str, bytes]]:
        """Every part, ordered by key."""
        with self._explained(), self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=5_000).execute(sa.select(STATES).order_by(STATES.c.key))
            for row in rows:
                yield row.key, row.value

    def rejected(self) -> Sequence[Rejected]:
        """What was set aside."""
        with self._explained(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(REJECTED).order_by(REJECTED.c.partition, REJECTED.c.offset))
            return [Rejected(Position(row.partition, row.offset), row.key, row.reason) for row in rows]

    def close(self) -> None:
        """Lets go of the database."""
        self._engine.dispose()


def _watermark(connection: sa.Connection) -> dict[int, int]:
    return {row.partition: row.reached for row in connection.execute(sa.select(WATERMARKS))}


def _of(keys: Sequence[str]) -> sa.Select[bytes]:
    return sa.select(STATES.c.value).where(STATES.c.key.in_(keys))


def _in_order(connection: sa.Connection, keys: Iterable[str]) -> list[Part]:
    """The parts of these keys, ordered by subject and part; keys without one are passed over."""
    keys = list(keys)
    found = []
    for start in range(0, len(keys), AT_ONCE):
        found += [_part(value) for value in connection.execute(_of(keys[start : start + AT_ONCE])).scalars()]
    return sorted(found, key=lambda part: (part.subject, part.part))


def _all_of(connection: sa.Connection, keys: Sequence[str]) -> list[Part]:
    """As `_in_order`. Raises ValueError where one is missing: a state with a hole could allow what it must deny."""
    found = _in_order(connection, keys)
    if len(found) != len(keys):
        raise ValueError("a part of a state is missing")
    return found


def _part(stored: bytes) -> Part:
    """The part behind its stored form. Raises ValueError."""
    try:
        part = from_bytes(stored)
        key_of(part)
    except (KeyError, TypeError) as error:
        raise ValueError("no part of a state") from error
    return part


def _upsert(table: sa.Table, column: str) -> sa.Insert:
    statement = insert(table)
    keys = [key.name for key in table.primary_key]
    return statement.on_conflict_do_update(index_elements=keys, set_={column: statement.excluded[column]})


def _row(rejected: Rejected) -> dict[str, object]:
    partition, offset = rejected.position
    return {"partition": partition, "offset": offset, "key": rejected.key, "reason": rejected.reason}
