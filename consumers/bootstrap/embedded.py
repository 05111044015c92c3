"""The ledger of one machine: what it is made of, and how it begins."""

from contextlib import ExitStack
from pathlib import Path

from consumers.bootstrap.opening import begin, check_opening, make_folder, secret_of
from consumers.opened import Ledger
from consumers.settings import Settings
from ledger.adapters.sqlite_log import SqliteLog, moved_mark, refuse_moved
from ledger.adapters.sqlite_people import SqlitePeople
from ledger.errors import NotALedgerError
from ledger.record import Recorder
from ledger.reference import References
from projections.log_view import LogView
from projections.past import PastOfView
from projections.view import Store
from schemas.events import OPERATOR_LEDGER


def open_embedded(settings: Settings, even_if_moved: bool = False) -> Ledger:
    """Opens the embedded ledger, making it on first use; one that was moved elsewhere only if that is wanted.

    Raises WrongSecretError, NotALedgerError, UnavailableError, InputError; nothing is changed then.
    """
    path = settings.ledger_path
    if not even_if_moved:
        refuse_moved(moved_mark(path))
    make_folder(path.parent)
    make_folder(settings.home)
    references = References(secret_of(settings.secret_file, is_new=not path.exists()))
    with ExitStack() as stack:
        log = SqliteLog(path)
        stack.callback(log.close)
        people = SqlitePeople(settings.people_path, references.derived_key("people"))
        stack.callback(people.close)
        recorder = Recorder(log, people, references, PastOfView(lambda: LogView(log)))
        _open(log, recorder, references)
        closing = stack.pop_all()

    def open_store() -> Store:
        from projections.adapters.sql_view import SqlView  # half of the time that a command takes to start

        store = SqlView(settings.projections_url)
        closing.callback(store.close)
        return store

    return Ledger(settings, log, people, references, recorder, open_store, closing)


def open_log_alone(path: Path) -> SqliteLog:
    """A log without its secret: for what can be read by reference only. Raises NotALedgerError."""
    if not path.exists():
        raise NotALedgerError(f"there is no ledger at {path}")
    return SqliteLog(path)


def _open(log: SqliteLog, recorder: Recorder, references: References) -> None:
    """Writes the first events of a new ledger; refuses one that another secret made."""
    parts = LogView(log).parts(OPERATOR_LEDGER)
    if not parts:
        begin(log, recorder, references)
        parts = LogView(log).parts(OPERATOR_LEDGER)
    check_opening(parts[0]["entries"][0] if parts else {}, references)
