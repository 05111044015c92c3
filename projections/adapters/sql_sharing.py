"""What lies beside the read models so that they can be handed out, in the database at a SQLAlchemy URL.

On SQLite a masked number is erased by overwriting it in place with as many bytes: a row that is deleted leaves copies
of itself or of its neighbours in unused space (`ledger/adapters/sqlite_people.py` says how that was found).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from ledger.errors import UnavailableError
from projections.adapters.analysis_views import drop_old_views, make_views
from projections.adapters.postgres_roles import rights
from projections.adapters.pseudonym_rows import Naming, name_all
from projections.adapters.read_model_engine import LIVE, engine_of, explained, file_of
from projections.adapters.read_model_writing import among, comment_on, hold_turns, is_postgres
from projections.adapters.sharing_tables import MASKED_NUMBERS, METADATA, PSEUDONYMS, SHARING, schemas

BLANKED = "printf('%*s', length(CAST(masked AS BLOB)), '')"


class SqlSharing:
    """The port `projections.sharing.Sharing`."""

    def __init__(self, url: str) -> None:
        """Connects only when asked something. Raises InputError."""
        self._engine = engine_of(url)
        self._writing = self._engine.execution_options(writes=True)
        self._file = file_of(url)
        self._on_postgres = self._file is None

    def is_there(self) -> bool:
        """See the port."""
        return self._has("events", LIVE)

    def _has(self, table: str, schema: str) -> bool:
        if self._file is not None and not self._file.exists():
            return False  # to connect would make the file
        with explained(self._engine), self._engine.connect() as connection:
            return sa.inspect(connection).has_table(table, schema if self._on_postgres else None)

    def prepare(self) -> None:
        """See the port."""
        with explained(self._engine), self._writing.begin() as connection:
            prepare(connection)
        if self._on_postgres:
            with explained(self._engine), self._writing.begin() as connection:  # a turn that began before names nobody
                hold_turns(connection)
            with suppress(UnavailableError), explained(self._engine):  # the views are made: the next time, then
                drop_old_views(self._engine)

    def name(self, pseudonym: Naming, anew: bool = False) -> int:
        """See the port."""
        with explained(self._engine), self._writing.begin() as connection:
            if anew:
                connection.execute(sa.delete(PSEUDONYMS), execution_options=schemas(connection))
            return name_all(connection, pseudonym)

    def without_mask(self, refs: Sequence[str]) -> list[str]:
        """See the port."""
        subject, masked = MASKED_NUMBERS.c.subject, MASKED_NUMBERS.c.masked
        with explained(self._engine), self._engine.connect() as connection:
            asked = sa.select(subject).where(among(connection, subject, refs), sa.func.trim(masked) != "")
            known = set(connection.execute(asked, execution_options=schemas(connection)).scalars())
        return [ref for ref in refs if ref not in known]

    def keep_masks(self, masks: Mapping[str, str]) -> None:
        """See the port."""
        if not masks:
            return
        insert = (postgresql.insert if self._on_postgres else sqlite.insert)(MASKED_NUMBERS)
        kept = insert.on_conflict_do_update(index_elements=["subject"], set_={"masked": insert.excluded.masked})
        rows = [{"subject": ref, "masked": masked} for ref, masked in masks.items()]
        with explained(self._engine), self._writing.begin() as connection:
            connection.execute(kept, rows, execution_options=schemas(connection))

    def erase(self, refs: Iterable[str]) -> int:
        """See the port. Raises UnavailableError also where another program keeps traces of them: erase again then."""
        if not self._has(MASKED_NUMBERS.name, SHARING):
            return 0
        with explained(self._engine), self._writing.begin() as connection:
            theirs = among(connection, MASKED_NUMBERS.c.subject, list(refs))
            erasing: sa.Delete | sa.Update = sa.delete(MASKED_NUMBERS).where(theirs)
            if not self._on_postgres:
                kept = theirs, sa.func.trim(MASKED_NUMBERS.c.masked) != ""
                erasing = sa.update(MASKED_NUMBERS).where(*kept).values(masked=sa.literal_column(BLANKED))
            gone = connection.execute(erasing, execution_options=schemas(connection)).rowcount
        self._leave_no_trace()
        return gone

    def _leave_no_trace(self) -> None:
        """Rows that are gone are still in a WAL, or in a table of PostgreSQL until it was vacuumed."""
        with explained(self._engine):
            if self._on_postgres:
                with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                    connection.exec_driver_sql(f"VACUUM {SHARING}.{MASKED_NUMBERS.name}")
                return
            with closing(self._engine.raw_connection()) as connection:
                busy, _frames, _moved = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise UnavailableError(
                f"the masked numbers are erased, but a program that reads {self._engine.url.database} keeps traces of "
                "them in its -wal file; end it and erase again"
            )

    def close(self) -> None:
        """See the port."""
        self._engine.dispose()


def prepare(connection: sa.Connection) -> None:
    """Makes what is missing beside the read models, and the views over them anew, in the connection's transaction.

    Whoever changes or swaps the tables calls it in the same transaction; rights of roles that exist are given again.
    """
    if is_postgres(connection):
        connection.execute(sa.schema.CreateSchema(SHARING, if_not_exists=True))
    for table in METADATA.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True), execution_options=schemas(connection))
    comment_on(connection, METADATA.sorted_tables)
    if is_postgres(connection):  # one at a time; readers do not ask for this lock
        connection.exec_driver_sql(f"LOCK TABLE {SHARING}.{PSEUDONYMS.name} IN SHARE ROW EXCLUSIVE MODE")
    make_views(connection)
    if is_postgres(connection):
        give_rights(connection)


def give_rights(connection: sa.Connection) -> None:
    """Gives the roles of PostgreSQL that exist what they may do with the tables that exist."""
    for statement in rights(connection.dialect):
        connection.exec_driver_sql(statement)
