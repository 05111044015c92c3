"""The read models' database, and the process that keeps it current."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from threading import Event
from typing import NamedTuple

from consumers.bootstrap.elsewhere import look_once, open_looks
from consumers.bootstrap.health import telling
from consumers.bootstrap.ledger_log import open_ledger_log
from consumers.bootstrap.sharing import pseudonyms
from consumers.bootstrap.telling import tell_on_stderr
from consumers.projector.aside import looking
from consumers.projector.following import Lag, Projector, Telling, log, quiet, waiting
from consumers.projector.loading import is_worth_it, load
from consumers.projector.metrics import ProjectorMetrics
from consumers.settings import Settings
from ledger.errors import UnavailableError
from ledger.log import Log
from ledger.record import system_clock
from projections.adapters.read_model_engine import file_of
from projections.adapters.read_model_versions import Upgraded, check, upgrade
from projections.adapters.sql_read_models import SqlReadModels
from projections.read_models import Place

TELL_EVERY_S = 10.0
PATIENCE_S = 1.0


def upgrade_database(settings: Settings) -> Upgraded:
    """Brings the tables to the newest revision. Raises OtherVersionError, NoRightsError, UnavailableError."""
    return upgrade(settings.database_url)


@contextmanager
def open_read_models(settings: Settings) -> Iterator[SqlReadModels]:
    """The read models, once their tables are of this version; a SQLite file of an older one is upgraded by the way.

    Raises OtherVersionError, NoRightsError, UnavailableError.
    """
    if file_of(settings.database_url) is None:
        check(settings.database_url)
    else:
        upgrade(settings.database_url)
    with closing(SqlReadModels(settings.database_url, naming=lambda: pseudonyms(settings).of)) as models:
        yield models


def project_once(settings: Settings, tell: Telling = quiet) -> int:
    """Brings the read models up to the end of the ledger; answers how many events that were."""
    with open_ledger_log(settings) as ledger, open_read_models(settings) as models:
        if is_worth_it(ledger, models):
            return _load(settings, ledger, models, tell)
        events = Projector(ledger, models, tell).once()
        look_once(settings, ledger, models)
        return events


def make_anew(settings: Settings, tell: Telling = quiet) -> int:
    """Makes all rows anew beside the live ones and puts them in place; answers how many events they are made from."""
    with open_ledger_log(settings) as ledger, open_read_models(settings) as models:
        return _load(settings, ledger, models, tell)


def _load(settings: Settings, ledger: Log, models: SqlReadModels, tell: Telling) -> int:
    return load(ledger, models, tell, look=partial(look_once, settings, ledger))


def run_projector(settings: Settings, metrics_port: int = 0) -> None:
    """Follows the ledger until SIGTERM or SIGINT; waits for a database or a log that is away.

    Raises InputError where somebody else has the port.
    """
    tell_on_stderr(log.name)
    asked, metrics = Event(), ProjectorMetrics(Teller())
    place, not_ready = (settings.listen, metrics_port), "loading, or the ledger or the database is away"
    with telling(place, metrics.registry, lambda: metrics.is_following, not_ready):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: asked.set())
        while not asked.is_set():
            try:
                _follow(settings, metrics, asked)
            except UnavailableError as error:
                log.warning("%s; trying again", error)
                asked.wait(PATIENCE_S)
            finally:
                metrics.is_following = False
    log.info("ended; everything that was applied is committed")


def _follow(settings: Settings, metrics: ProjectorMetrics, asked: Event) -> None:
    with open_ledger_log(settings) as ledger, open_read_models(settings) as models:
        if is_worth_it(ledger, models):
            log.info("loading; the rows are there once all of them are")
            _load(settings, ledger, models, metrics)
        log.info("following the ledger")
        metrics.is_following = True
        with looking(partial(open_looks, settings, ledger, models)):
            Projector(ledger, models, metrics).follow(asked)


class Teller:
    """Says now and then how it goes."""

    def __init__(self) -> None:
        self._events, self._told_at, self._longest = 0, time.monotonic(), 0

    def __call__(self, events: int, lag: Lag) -> None:
        """Of every turn it is told; what it says is of all since it said something last."""
        self._events += events
        self._longest = max(self._longest, lag.ms)
        if not self._events:
            return
        if time.monotonic() - self._told_at >= TELL_EVERY_S:
            log.info(
                "%s events applied, none later than %.1f s; %s", self._events, self._longest / 1000, lag.in_words()
            )
            self._events, self._told_at, self._longest = 0, time.monotonic(), 0


class Standing(NamedTuple):
    """Where the rows are, and how far that is behind the ledger."""

    places: dict[int, Place]
    lag: Lag


def look_at_lag(settings: Settings) -> Standing:
    """How far the rows are behind the ledger now. Raises OtherVersionError, UnavailableError."""
    with open_ledger_log(settings) as ledger, open_read_models(settings) as models:
        places = models.positions()
        return Standing(places, waiting(ledger, places, system_clock()))


class Members(NamedTuple):
    """The contacts of an account, each with when it joined, and when the rows were last brought up (milliseconds)."""

    contacts: list[tuple[str, int]]
    as_of: int


def members_of(settings: Settings, account: str) -> Members | None:
    """The contacts of an account, by reference; None where there are no read models.

    Raises InputError, OtherVersionError, NoRightsError, UnavailableError.
    """
    path = file_of(settings.database_url)
    if path is not None and not path.exists():  # to connect would make the file
        return None
    check(settings.database_url)
    with closing(SqlReadModels(settings.database_url)) as models:
        places = models.positions().values()
        return Members(models.members(account), max((place.caught_up_at for place in places), default=0))
