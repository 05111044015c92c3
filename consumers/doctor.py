"""`doctor`: what is wrong with a ledger, and what to do about it."""

import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from consumers.backup import MARK, left_behind
from consumers.erasing_models import finish_in_models, unfinished
from consumers.erasure import erased_refs, sweep
from consumers.follow_ups import Queue
from consumers.opened import Ledger
from consumers.procedures import reference_of
from ledger.errors import RefusedError
from ledger.log import Log
from schemas.encoding import UnreadableEvent, decode
from schemas.errors import PreferenceLedgerError
from schemas.events import PreferenceGranted, PreferenceRevoked

Severity = Literal["ok", "warning", "problem"]
ROOM_WANTED = 1 << 30
HOUR_S = 3_600


class Finding(NamedTuple):
    """One thing that was looked at, in one sentence that says what to do."""

    severity: Severity
    what: str


def examine(ledger: Ledger, now: int) -> Iterator[Finding]:
    """Looks at everything that can be wrong with a ledger, and mends what a crash left behind."""
    settings = ledger.settings
    where = settings.ledger_url if settings.distributed else settings.ledger_path
    yield Finding("ok", f"the ledger {where} opens with its secret")
    yield from _secret(ledger)
    yield from _backup(ledger)
    read = _Read()
    yield from _log(ledger, read)
    yield from _people(ledger, now)
    yield from _policies(ledger, now)
    yield from _models(ledger)
    yield from _copies(ledger, now)
    yield from _queue(read)
    yield from _room(ledger)


def _secret(ledger: Ledger) -> Iterator[Finding]:
    path = ledger.settings.secret_file
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("problem", f"the secret {path} can be read by others (mode {mode:o}); run chmod 600 {path}")


def _backup(ledger: Ledger) -> Iterator[Finding]:
    if ledger.settings.distributed:
        yield Finding(
            "ok",
            f"the log is kept by the broker: back it up there, and keep a copy of {ledger.settings.secret_file} "
            "elsewhere, without which nobody in it can be looked up again",
        )
        return
    if not (ledger.settings.home / MARK).exists():
        yield Finding(
            "warning",
            "no backup was ever made, and without its secret nobody in this ledger can be looked up again; "
            "run prefledger backup FILE and keep the file elsewhere",
        )


class _Read:
    """What one reading of the whole log finds: it is long, and every question of a doctor's goes through all of it."""

    def __init__(self) -> None:
        self.entries = 0
        self.queue = Queue()
        self._contents: dict[tuple[str, str], str] = {}
        self._doubled: set[tuple[str, str]] = set()

    def log(self, log: Log) -> Iterator[Finding]:
        """Reads it; tells at once of what is no event."""
        for partition, end in log.ends().items():
            for recorded in log.read(partition, 0, end):
                self.entries += 1
                try:
                    event = decode(recorded.value)
                except UnreadableEvent as error:
                    what = f"the entry at {tuple(recorded.position)} is {error}; projections pass it over"
                    yield Finding("problem", what)
                    continue
                self.queue.take(event)
                if isinstance(event, PreferenceGranted | PreferenceRevoked):
                    self._take(event)

    def _take(self, event: PreferenceGranted | PreferenceRevoked) -> None:
        key = event.subject, event.idempotency_key
        if self._contents.setdefault(key, event.content) != event.content:
            self._doubled.add(key)

    def findings(self) -> Iterator[Finding]:
        """What there is to say once all of it was read."""
        yield Finding("ok", f"{self.entries:,} entries were read")
        if self._doubled:  # one key for two contents: both count, and a person should know
            what = f"{len(self._doubled)} idempotency key(s) stand for two different statements; both count"
            yield Finding("warning", what)


def _log(ledger: Ledger, read: _Read) -> Iterator[Finding]:
    yield from read.log(ledger.log)
    yield from read.findings()


def _people(ledger: Ledger, now: int) -> Iterator[Finding]:
    swept = sweep(ledger.log, ledger.people, now)
    if swept:
        yield Finding("ok", f"{swept} identities were removed that may not be kept: erased, or left over by a crash")


def _policies(ledger: Ledger, now: int) -> Iterator[Finding]:
    """The policy in force and those to come, by how old they let a copy be."""
    reference = reference_of(ledger.view())
    coming = [policy for policy in reference.policies if policy.effective_from > now]
    for policy in (reference.policy(now), *coming):
        try:
            ledger.must_bear(policy)
        except RefusedError as error:
            yield Finding("problem", f"{error}")


def _models(ledger: Ledger) -> Iterator[Finding]:
    """Erasures that the read models have still to be told of: begun here, or on a machine that never came back."""
    begun, erased = unfinished(ledger), erased_refs(ledger.log)
    try:
        removed = finish_in_models(ledger, erased)
        finish_in_models(ledger, begun - erased)  # said yes again since: what is shown of them may be
    except PreferenceLedgerError as error:
        what = f"{len(begun) or len(erased)} erasure(s) may be unfinished in the read models: {error}; run doctor again"
        yield Finding("problem" if begun else "warning", what)
        return
    if removed:
        yield Finding("ok", f"{removed} masked number(s) of erased people were removed from the read models")


def _copies(ledger: Ledger, now: int) -> Iterator[Finding]:
    """Copies of identities that no erasure reaches."""
    settings = ledger.settings
    for path in left_behind(settings, now / 1_000 - HOUR_S):
        yield Finding("problem", f"{path} was left by a command that was killed, and holds what may be erased since; "
                      "remove it")  # fmt: skip
    old = settings.home / "people.db"
    if settings.distributed and old.exists():
        yield Finding(
            "warning",
            f"{old} is from before the ledger was moved, and no erasure reaches it any more; remove it, and every "
            "backup of it, once you need no way back",
        )


def _queue(read: _Read) -> Iterator[Finding]:
    reasons = Counter(one.opened.reason for one in read.queue.listed() if not one.resolution)
    for reason, count in sorted(reasons.items()):
        yield Finding("warning", f"{count} follow-up(s) wait for a person ({reason}); run prefledger follow-ups list")


def _room(ledger: Ledger) -> Iterator[Finding]:
    free = shutil.disk_usage(_folder(ledger)).free
    if free < ROOM_WANTED:
        yield Finding("warning", f"only {free >> 20} MB are free in {_folder(ledger)}; make room before it is full")


def _folder(ledger: Ledger) -> Path:
    settings = ledger.settings
    return settings.home if settings.distributed else settings.ledger_path.parent
