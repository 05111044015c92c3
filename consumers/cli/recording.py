"""Decisions of commands on record, where the message goes out on their answer."""

from collections.abc import Iterable
from itertools import islice

from consumers.bootstrap import open_decisions
from consumers.decisions.logged import logged
from consumers.gate import Decision
from consumers.opened import Ledger
from ledger.leniency import CODE, EVENT_ID
from ledger.stamp import new_id
from schemas.errors import InputError, shown

BATCH = 5_000


def put_on_record(ledger: Ledger, decisions: Iterable[Decision], gateway: str, rechecks: str | None = None) -> None:
    """Logs decisions and returns once they are durable. Raises InputError, UnavailableError.

    `rechecks`: the id of a decision on the same message, which did not go out by it.
    """
    if rechecks is not None and not EVENT_ID.fullmatch(rechecks):
        raise InputError(f"--rechecks {shown(rechecks)} is no id of a decision")
    if not CODE.fullmatch(gateway):
        raise InputError(f"--gateway {shown(gateway)} is no name of a gateway, such as sms-1")
    process, rest = new_id(), iter(decisions)
    with open_decisions(ledger.settings) as log:
        while batch := list(islice(rest, BATCH)):
            log.send([logged(decision, ledger.references, gateway, process, rechecks=rechecks) for decision in batch])
