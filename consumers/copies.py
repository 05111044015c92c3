"""The gates' copies as an audit asks them: the one beside an embedded ledger, and a gateway's snapshot."""

from collections.abc import Sequence
from pathlib import Path

from consumers.gaps import Ask, Denied, Got
from consumers.opened import Ledger
from consumers.replica.errors import SnapshotError
from consumers.replica.replica import Replica
from ledger.errors import LedgerError
from ledger.log import Log
from projections.resolve import resolve
from projections.view import Store
from schemas.errors import InputError, shown


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


def snapshot(path: Path, ledger: Ledger) -> Replica:
    """A gateway's own copy, as it lies on its disk. Raises InputError for a file that is none of this ledger's."""
    try:
        replica = Replica.open(path, ledger.references.fingerprint)
    except FileNotFoundError:
        raise InputError(f"there is no snapshot {shown(path)}") from None
    except (SnapshotError, OSError) as error:
        raise InputError(f"the snapshot {shown(path)} cannot be asked: {error}") from None
    ends = ledger.log.ends()
    if any(offset > ends.get(partition, 0) for partition, offset in replica.watermark().items()):
        raise InputError(f"the snapshot {shown(path)} is ahead of this ledger, or of another one")
    return replica


def ask_replica(replica: Replica) -> Ask:
    """Puts questions about contacts, by reference, to a copy."""

    def ask(questions: Sequence[Denied]) -> list[Got | None]:
        return [_asked(replica, one) for one in questions]

    return ask


def _asked(replica: Replica, one: Denied) -> Got:
    contact = replica.contact(bytes.fromhex(one.contact))
    verdict = resolve(contact, replica.accounts, replica.reference, one.question)
    return Got(verdict.allowed, verdict.reason)
