"""The words behind a subject's events, each held against the commitment that the log has of them.

The log cannot be changed, the words beside it can: whoever holds the secret could seal others in their place. So
nothing is shown as what a person said before `SHA-256(salt ‖ words)` was found to be what the event says.
"""

import hashlib
import hmac
from typing import Literal, NamedTuple

from consumers.history_scan import events_of
from consumers.opened import Ledger
from ledger.people import Words
from ledger.stamp import SALT_BYTES
from schemas.events import Event, PreferenceGranted, SubjectErased

Standing = Literal["genuine", "changed", "missing", "erased"]


class Evidence(NamedTuple):
    """What is left of the words behind one event.

    `genuine`: they are what was committed to when the event was recorded. `changed`: they are not. `missing`: they are
    gone though nobody erased them. `erased`: an erasure removed them, or was in force and kept them from being stored.
    """

    event: Event
    standing: Standing
    words: Words | None

    @property
    def is_wrong(self) -> bool:
        """Somebody has to find out what happened."""
        return self.standing in ("changed", "missing")


def evidence_of(ledger: Ledger, ref: str) -> list[Evidence]:
    """The evidence of every event of a subject (by reference) that has any, oldest record first.

    Raises NotALedgerError for words whose seal is broken, UnavailableError.
    """
    events = [event for _, event in events_of(ledger.log, ref)]
    unkept = _unkept(events)
    return [_held(ledger, event, event.event_id in unkept) for event in events if event.evidence]


def matches(words: Words, commitment: str) -> bool:
    """Whether these are the words that were committed to (hex).

    The salt has to be of the length that we give it: else letters could move from the words into it, unseen.
    """
    if len(words.salt) != SALT_BYTES:
        return False
    found = hashlib.sha256(words.salt + words.text.encode("utf-8", "surrogatepass")).hexdigest()
    return hmac.compare_digest(found, commitment)


def renews(event: Event) -> bool:
    """A yes of the person, after which an erasure no longer forbids keeping who it is; a list that says so is none."""
    return isinstance(event, PreferenceGranted) and not event.actor.startswith("import:")


def _unkept(events: list[Event]) -> set[str]:
    """Ids of events whose words may be gone: they came before an erasure, or while one was in force."""
    unkept: set[str] = set()
    before: set[str] = set()
    is_erased = False
    for event in events:
        if isinstance(event, SubjectErased):
            unkept |= before
            is_erased = True
        elif renews(event):
            is_erased = False
        before.add(event.event_id)
        if is_erased:
            unkept.add(event.event_id)
    return unkept


def _held(ledger: Ledger, event: Event, may_be_gone: bool) -> Evidence:
    words = ledger.people.evidence(event.subject, event.event_id)
    if words is None:
        return Evidence(event, "erased" if may_be_gone else "missing", None)
    committed = event.evidence.commitment if event.evidence else ""
    return Evidence(event, "genuine" if matches(words, committed) else "changed", words)
