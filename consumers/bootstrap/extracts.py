"""The read models to be read by whoever asks: by the projector's own database, in its own fast way."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from consumers.as_it_was import preferences_as_of
from consumers.settings import Settings
from projections.adapters.read_model_engine import database_url
from projections.extracts import Extract, Extracts


@contextmanager
def open_extracts(settings: Settings) -> Iterator[Extracts]:
    """Reads what is there and makes nothing. Raises InputError, OtherVersionError."""
    if database_url(settings.database_url).get_backend_name() == "sqlite":
        from projections.adapters.sqlite_extracts import SqliteExtracts

        with closing(SqliteExtracts(settings.database_url)) as file:
            yield file
        return
    from projections.adapters.postgres_extracts import PostgresExtracts

    with closing(PostgresExtracts(settings.database_url)) as server:
        yield server


@contextmanager
def open_table(settings: Settings, name: str, at: int | None) -> Iterator[Extract]:
    """A read model, with `at` (milliseconds) as it was then. Raises as `Extracts.table` does."""
    with open_extracts(settings) as extracts:
        if name != "current_preferences" or at is None:
            with extracts.table(name, at) as extract:
                yield extract
            return
    from projections.adapters.reading_turn import extract_of, reading_turn

    with reading_turn(settings.database_url) as turn:
        yield extract_of(name, preferences_as_of(turn, at))
