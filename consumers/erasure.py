"""Erasure: identity and evidence go, everywhere; the log, its hashes and the suppression stay (GDPR, Art. 17).

The event comes first, then the removal. A crash in between leaves a mark in the data folder, by which the next command
that opens the ledger finishes what was begun; where that machine never comes back, `sweep` does it on any other, going
by the events. Read models come last, since their server may be away: `consumers/erasing_models.py`.
"""

import time
from contextlib import suppress
from typing import Literal, NamedTuple

from consumers.erasing_models import begin_in_models, finish_in_models
from consumers.evidence import renews
from consumers.history_scan import every_event
from consumers.marks import make_mark, marks_in
from consumers.opened import Ledger
from ledger.errors import UnavailableError
from ledger.log import Log
from ledger.people import People
from ledger.record import Receipt
from ledger.requests import Erase, Origin
from schemas.encoding import UnreadableEvent, decode
from schemas.errors import PreferenceLedgerError
from schemas.events import SubjectErased
from schemas.subject import Subject
from schemas.times import DAY

MARKS = "erasing"
STALE = 3600.0
"""Seconds after which a mark without an event is of an erasure that was never recorded."""


class Erased(NamedTuple):
    """What an erasure did: the event, and how many records of identity and evidence went.

    `was`: whether anything was `kept` of the subject, had been `erased` before, or was `unknown` altogether; `renewed`
    where this is a repetition of an erasure after which the person said yes again, and nothing was removed.
    """

    receipt: Receipt
    removed: int
    was: Literal["kept", "erased", "unknown", "renewed"]


def erase_everywhere(ledger: Ledger, subject: Subject, origin: Origin, key: str | None) -> Erased:
    """Records the erasure, then removes. Of an unknown subject as well: nothing of it may be kept from then on.

    Raises UnavailableError, after which it is to be repeated (it may be recorded by then), and InputError.
    """
    ref = ledger.ref(subject)
    was_known = any(True for _ in ledger.log.read_subject(ref))
    mark = make_mark(ledger.settings.home / MARKS, ref)
    receipt = ledger.recorder.record(Erase(subject=subject, origin=origin, idempotency_key=key))
    if receipt.duplicate and not is_erased(ledger.log, ref):
        mark.unlink(missing_ok=True)
        return Erased(receipt, 0, "renewed")
    removed = ledger.people.erase(ref)
    begin_in_models(ledger, ref)
    mark.unlink(missing_ok=True)
    removed += _in_models(ledger, ref)
    return Erased(receipt, removed, "kept" if removed else "erased" if was_known else "unknown")


def _in_models(ledger: Ledger, ref: str) -> int:
    try:
        return finish_in_models(ledger, [ref])
    except PreferenceLedgerError as error:
        raise UnavailableError(
            f"the erasure is recorded, and identity and words are gone, but the read models may still show the masked "
            f"number: {error}. Repeat the command then, or run prefledger doctor, which finishes it"
        ) from error


def finish_erasures(ledger: Ledger) -> int:
    """Finishes what a crash on this machine cut short; returns how many records went.

    Another process may be in the middle of one of them: to remove twice does no harm, and a mark whose event is still
    to come is left alone. A store that is away hinders nobody from recording an opt-out: it is tried again next time.
    """
    removed = 0
    with suppress(FileNotFoundError, UnavailableError):
        for mark in marks_in(ledger.settings.home / MARKS):
            if is_erased(ledger.log, mark.name):
                removed += ledger.people.erase(mark.name)
                begin_in_models(ledger, mark.name)
                mark.unlink(missing_ok=True)
            elif time.time() - mark.stat().st_mtime > STALE:
                mark.unlink(missing_ok=True)
    return removed


def is_erased(log: Log, ref: str) -> bool:
    """Whether the last erasure of a subject is followed by no grant of the person."""
    erased = False
    for recorded in log.read_subject(ref):
        with suppress(UnreadableEvent):
            event = decode(recorded.value)
            erased = isinstance(event, SubjectErased) or (erased and not renews(event))
    return erased


def erased_refs(log: Log) -> set[str]:
    """References whose last erasure is followed by no grant of the person: of these nothing may be kept."""
    erased: set[str] = set()
    for _, event in every_event(log):
        if isinstance(event, SubjectErased):
            erased.add(event.subject)
        elif renews(event):
            erased.discard(event.subject)
    return erased


def sweep(log: Log, people: People, now: int) -> int:
    """Removes what may not be kept: identities of the erased, and of nobody the log knows for a day or more.

    Returns how many records went. The second are what a crash leaves between an identity and its event; they are not
    remembered as erased, since nobody asked for that. To be run once a day.
    """
    people.see_to_removal()
    gone = erased_refs(log)
    removed = sum(people.erase(ref) for ref in sorted(gone) if people.identity(ref) is not None)
    return removed + _sweep_orphans(log, people, now - DAY)


def _sweep_orphans(log: Log, people: People, before: int) -> int:
    known = {name for _, event in every_event(log) for name in _named(event)}
    known |= {by.partition(":")[2] for _at, _ref, by, _what in people.looks()}
    orphans = [ref for ref in people.kept_before(before) if ref not in known]
    return sum(people.forget(ref) for ref in orphans)


def _named(event: object) -> set[str]:
    fields = ("subject", "account", "assignee", "agent")
    named = {getattr(event, field) for field in fields if hasattr(event, field)}
    return named | {str(getattr(event, "actor", "")).partition(":")[2]}
