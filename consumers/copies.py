"""The gate's copy on one machine: a snapshot beside the ledger, brought up to the log whenever it is used."""

from consumers.gaps import Ask
from consumers.opened import Ledger
from consumers.replica.replica import Replica
from ledger.errors import LedgerError
from ledger.log import Log
from projections.question import Question
from projections.resolve import resolve
from projections.view import Store
from schemas.decision import Verdict


def current_replica(ledger: Ledger) -> Replica:
    """The copy, as a gate would use it now: opened where there is a usable snapshot, made anew where there is none."""
    path, fingerprint = ledger.settings.replica_path, ledger.references.fingerprint
    store = ledger.store()
    try:
        replica = Replica.open(path, fingerprint)
        _bring_up(replica, ledger.log, store)
    except (LedgerError, FileNotFoundError):  # none yet, damaged, of another ledger: what it holds can be made anew
        replica = Replica.load(store, fingerprint)
        replica.save(path)
    replica.is_current()
    return replica


def _bring_up(replica: Replica, log: Log, store: Store) -> None:
    """Applies the states of all subjects that the log speaks of since the snapshot."""
    reached = dict(store.watermark())
    if dict(replica.watermark()) == reached:
        return
    changed = {
        recorded.key
        for partition, end in reached.items()
        for recorded in log.read(partition, replica.watermark().get(partition, 0), end)
    }
    replica.apply((part for subject in sorted(changed) for part in store.parts(subject)), reached)
    replica.merge()


def ask_replica(replica: Replica) -> Ask:
    """Puts a question about a contact, by reference, to the copy."""

    def ask(ref: str, question: Question) -> Verdict:
        return resolve(replica.contact(bytes.fromhex(ref)), replica.accounts, replica.reference, question)

    return ask
