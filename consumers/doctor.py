"""`doctor`: what is wrong with a ledger, and what to do about it."""

import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from consumers.backup import MARK
from consumers.erasure import sweep
from consumers.follow_ups import follow_ups
from consumers.history_scan import every_event
from consumers.opened import Ledger
from schemas.encoding import UnreadableEvent, decode
from schemas.events import PreferenceGranted, PreferenceRevoked

Severity = Literal["ok", "warning", "problem"]
ROOM_WANTED = 1 << 30


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
    yield from _log(ledger)
    yield from _keys(ledger)
    yield from _people(ledger, now)
    yield from _queue(ledger)
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


def _log(ledger: Ledger) -> Iterator[Finding]:
    events = 0
    for partition, end in ledger.log.ends().items():
        for recorded in ledger.log.read(partition, 0, end):
            events += 1
            try:
                decode(recorded.value)
            except UnreadableEvent as error:
                yield Finding(
                    "problem", f"the entry at {tuple(recorded.position)} is {error}; projections pass it over"
                )
    yield Finding("ok", f"{events:,} entries were read")


def _keys(ledger: Ledger) -> Iterator[Finding]:
    """One key for two contents, found in the log: both count, and a person should know."""
    contents: dict[tuple[str, str], set[str]] = {}
    for _, event in every_event(ledger.log):
        if isinstance(event, PreferenceGranted | PreferenceRevoked):
            contents.setdefault((event.subject, event.idempotency_key), set()).add(event.content)
    doubled = sum(len(found) > 1 for found in contents.values())
    if doubled:
        yield Finding("warning", f"{doubled} idempotency key(s) stand for two different statements; both count")


def _people(ledger: Ledger, now: int) -> Iterator[Finding]:
    swept = sweep(ledger.log, ledger.people, now)
    if swept:
        yield Finding("ok", f"{swept} identities were removed that may not be kept: erased, or left over by a crash")


def _queue(ledger: Ledger) -> Iterator[Finding]:
    reasons = Counter(one.opened.reason for one in follow_ups(ledger.log) if not one.resolution)
    for reason, count in sorted(reasons.items()):
        yield Finding("warning", f"{count} follow-up(s) wait for a person ({reason}); run prefledger follow-ups list")


def _room(ledger: Ledger) -> Iterator[Finding]:
    free = shutil.disk_usage(_folder(ledger)).free
    if free < ROOM_WANTED:
        yield Finding("warning", f"only {free >> 20} MB are free in {_folder(ledger)}; make room before it is full")


def _folder(ledger: Ledger) -> Path:
    settings = ledger.settings
    return settings.home if settings.distributed else settings.ledger_path.parent
