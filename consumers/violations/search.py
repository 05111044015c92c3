"""The search for violations, start to finish: who ever said no, what was sent to them since, what of it was wrong."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from consumers.confirm import Receipts
from consumers.opened import Ledger
from consumers.violations.finding import Found, with_enforcement
from consumers.violations.judging import Judge, rank
from consumers.violations.noes import Anybody, Noes
from consumers.violations.send_files import take_file
from consumers.violations.send_rows import SendOptions
from consumers.violations.sends import Sends, take_decisions
from ledger.decisions import Decisions
from projections.collecting import rarely

WAITED: Final = 600_000
"""So long (milliseconds) a decision may have waited for the log, or its gateway's clock may be off."""


class Wanted(NamedTuple):
    """Whose sends are searched, of which time (milliseconds)."""

    file: Path | None
    options: SendOptions
    decisions: bool
    since: int = 0
    until: int | None = None
    all_reasons: bool = False
    """Not only noes: whatever the rules denied then, halted traffic or missing consent."""


@dataclass(slots=True)
class Searched:
    """What was found, noes first, then reason by reason, each by contact and time; and what could not be read."""

    sends: int = 0
    found: list[Found] = field(default_factory=list)
    rejected: int = 0
    rejects_file: Path | None = None
    unreadable: int = 0


def search(ledger: Ledger, decisions: Decisions, receipts: Receipts, wanted: Wanted) -> Searched:
    """Searches. Raises InputError for a file or mapping that cannot be meant, UnavailableError."""
    searched = Searched()
    with rarely():
        sends = Sends(Anybody() if wanted.all_reasons else Noes(ledger.log), wanted.since, wanted.until)
        if wanted.file is not None:
            taken = take_file(sends, wanted.file, ledger.references, wanted.options)
            searched.rejected, searched.rejects_file = taken.rejected, taken.rejects_file
        if wanted.decisions:
            until = None if wanted.until is None else wanted.until + WAITED
            stored = decisions.scan(max(0, wanted.since - WAITED), until)
            searched.unreadable = take_decisions(sends, stored)
        searched.sends = sends.count
        violations = list(Judge(ledger.log, wanted.all_reasons).violations(sends.by_contact()))
        violations.sort(key=rank)  # stable: of each reason by contact and time
        searched.found = list(with_enforcement(ledger.log, receipts, violations))
    return searched
