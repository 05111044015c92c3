"""Verdicts for many contacts of a replica at once: the resolver is asked once for all rows that must get one answer.

Two contacts with one statement each, of one scope, basis and kind, in no account or in accounts that said nothing, get
the same answer if the times of their statements lie between the same turning points of the question
(`projections/question.py`), but that each names its own statement. So the resolver answers for one of them. Every other
contact, and every one whose account has any state, is asked about alone. No rule is written here a second time.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from consumers.replica import Replica
from consumers.replica.rows import ACCOUNT_BYTES, CONTACTS, SHAPE_BIT, TIME_MASK
from consumers.replica.table import PREFIX, Bytes, Places, Table
from consumers.scrub.verdicts import Codes, Events, OneByOne
from projections.history import NO_CONTACT, Contact
from projections.question import Question
from projections.resolve import resolve

Flags = NDArray[np.bool_]
OPEN = -1
ACCOUNT_AT = {"linked": 23, "member": 0}
"""Where the account stands in the rows of a table whose contacts have one."""
IN_CLASSES = ("alone", "linked", "member")


class Together:
    """Asks about the common contacts of a replica together."""

    def __init__(self, replica: Replica, stale: bool) -> None:
        self._replica = replica
        self._stale = stale
        self._alone = OneByOne(replica, stale)
        self.verdicts = self._alone.verdicts
        self._known: dict[tuple[Question, str, int], int] = {}

    def answers(self, digests: Sequence[bytes], question: Question) -> tuple[Codes, Events]:
        """As `Asker` has it."""
        joined = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
        codes = np.full(len(digests), OPEN, np.int32)
        events = np.zeros((len(digests), 16), np.uint8)
        is_found = self._may_be_general(digests, joined)
        for name in CONTACTS:
            table = self._replica.base.tables.get(name)
            if table is not None:
                rows = table.find_many(joined)
                rows[is_found] = -1
                is_found |= rows >= 0
                if name in IN_CLASSES:
                    self._of_table(name, table, rows, codes, events, question)
        codes[~is_found] = self._of_contact(NO_CONTACT, question)
        alone = np.flatnonzero(codes == OPEN)
        codes[alone] = self._alone.answers([digests[place] for place in alone.tolist()], question)[0]
        return codes, events

    def _may_be_general(self, digests: Sequence[bytes], joined: Bytes) -> Flags:
        """Which contacts have changed since the tables were written, or may be kept in the form for any shape."""
        found = np.zeros(len(digests), bool)
        changed = self._replica.changed_contacts
        if changed:
            found |= np.fromiter((digest in changed for digest in digests), bool, len(digests))
        general = self._replica.base.tables.get("general")
        if general is not None:
            found |= general.find_many(joined) >= 0
        return found

    def _of_table(
        self, name: str, table: Table, rows: Places, codes: Codes, events: Events, question: Question
    ) -> None:
        """Fills in the codes and events of the contacts that the table has, if their accounts said nothing."""
        places = np.flatnonzero(rows >= 0)
        records = table.records_of(rows[places])
        if name in ACCOUNT_AT:
            at = ACCOUNT_AT[name]
            silent = ~self._has_state(records[:, at : at + ACCOUNT_BYTES])
            places, records = places[silent], records[silent]
        if name != "member":
            events[places] = records[:, :16]
        classes = _classes(name, records, question)
        found, first, inverse = np.unique(classes, return_index=True, return_inverse=True)
        numbers = [
            self._of_class(name, class_, table, int(rows[places[one]]), question)
            for class_, one in zip(found.tolist(), first.tolist(), strict=True)
        ]
        codes[places] = np.array(numbers, np.int32)[inverse]

    def _has_state(self, accounts: Bytes) -> Flags:
        found = np.zeros(len(accounts), bool)
        table = self._replica.base.tables.get("accounts")
        if table is not None:
            padded = np.zeros((len(accounts), PREFIX), np.uint8)
            padded[:, :ACCOUNT_BYTES] = accounts
            found |= table.find_many(padded) >= 0
        changed = self._replica.changed_accounts
        if changed:
            found |= np.fromiter((account.tobytes() in changed for account in accounts), bool, len(accounts))
        return found

    def _of_class(self, name: str, class_: int, table: Table, row: int, question: Question) -> int:
        key = (question, name, class_)
        if key not in self._known:
            contact = CONTACTS[name](table.records, row, self._replica.base.shapes)
            self._known[key] = self._of_contact(contact, question)
        return self._known[key]

    def _of_contact(self, contact: Contact, question: Question) -> int:
        verdict = resolve(contact, {}, self._replica.reference, question, self._stale)
        own = tuple(said.event_id for said in contact.said)
        return self.verdicts.number(verdict, names_own=bool(own) and verdict.evidence == own)


def _classes(name: str, records: Bytes, question: Question) -> NDArray[np.int64]:
    """A number for each record; of one table, equal numbers get equal answers."""
    if name == "member":
        return np.zeros(len(records), np.int64)
    stamps = np.zeros((len(records), 8), np.uint8)
    stamps[:, :7] = records[:, 16:23]
    stamp = stamps.view("<u8")[:, 0].astype(np.int64)
    points = np.array(question.turning_points, np.int64)
    between = np.searchsorted(points, stamp & TIME_MASK, side="right")
    return (stamp >> SHAPE_BIT) * (len(points) + 1) + between
