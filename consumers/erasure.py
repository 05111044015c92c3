"""Erasure: identity and evidence go, everywhere; the log, its hashes and the suppression stay (GDPR, Art. 17)."""

from typing import NamedTuple

from consumers.history_scan import every_event
from consumers.opened import Ledger
from ledger.log import Log
from ledger.people import People
from ledger.record import Receipt
from ledger.requests import Erase, Origin
from schemas.events import PreferenceGranted, SubjectErased
from schemas.subject import Subject
from schemas.times import DAY


class Erased(NamedTuple):
    """What an erasure did: the event, and how many records of identity and evidence went."""

    receipt: Receipt
    removed: int


def erase_everywhere(ledger: Ledger, subject: Subject, origin: Origin, key: str | None) -> Erased:
    """Records the erasure, then removes. A crash in between is mended by `sweep`, which goes by the events."""
    receipt = ledger.recorder.record(Erase(subject=subject, origin=origin, idempotency_key=key))
    return Erased(receipt, ledger.people.erase(ledger.ref(subject)))


def erased_refs(log: Log) -> set[str]:
    """References whose last erasure is followed by no grant of the person: of these nothing may be kept."""
    erased: set[str] = set()
    for _, event in every_event(log):
        if isinstance(event, SubjectErased):
            erased.add(event.subject)
        elif isinstance(event, PreferenceGranted) and not event.actor.startswith("import:"):
            erased.discard(event.subject)
    return erased


def sweep(log: Log, people: People, now: int) -> int:
    """Removes what may not be kept: identities of the erased, and of nobody the log knows for a day or more.

    Returns how many records went. The second are what a crash leaves between an identity and its event; they are not
    remembered as erased, since nobody asked for that.
    """
    gone = erased_refs(log)
    removed = sum(people.erase(ref) for ref in sorted(gone) if people.identity(ref) is not None)
    return removed + _sweep_orphans(log, people, now - DAY)


def _sweep_orphans(log: Log, people: People, before: int) -> int:
    known = {name for _, event in every_event(log) for name in _named(event)}
    orphans = [ref for ref in people.kept_before(before) if ref not in known]
    return sum(people.forget(ref) for ref in orphans)


def _named(event: object) -> set[str]:
    fields = ("subject", "account", "assignee", "agent")
    named = {getattr(event, field) for field in fields if hasattr(event, field)}
    return named | {str(getattr(event, "actor", "")).partition(":")[2]}
