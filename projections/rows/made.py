"""All rows that are made of a subject's state, by the name of their table. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from projections import history
from projections.history import Account, Contact, entries
from projections.reference_data import Reference
from projections.rows.current import current_rows
from projections.rows.flat import Row
from projections.rows.intervals import history_rows
from projections.rows.subjects import follow_up_rows, membership_rows, sender_rows
from projections.standing import standing
from projections.statement import Fields
from schemas.events import OPERATOR_SENDERS

Rows = dict[str, list[Row]]
CONTACTS = ("number", "email")


def add_own_rows(rows: Rows, parts: Sequence[Fields], reference: Reference) -> None:
    """Adds what follows from one subject's state alone; `parts`: all of them, in order, at least one."""
    kind, subject = parts[0]["kind"], parts[0]["subject"]
    if kind in CONTACTS:
        contact = history.contact(parts)
        rows["preference_history"] += history_rows(subject, kind, contact.said, contact.reassigned, reference)
        rows["account_numbers"] += membership_rows(subject, kind, contact)
    elif kind == "account":
        rows["preference_history"] += history_rows(subject, kind, history.account(parts).said, (), reference)
    elif subject == OPERATOR_SENDERS:
        rows["senders"] += sender_rows(reference)
    rows["follow_ups"] += follow_up_rows(subject, kind, standing(entries(parts)))


def add_current_rows(
    rows: Rows, contacts: Iterable[Sequence[Fields]], accounts: Mapping[str, Account], reference: Reference, at: int
) -> None:
    """Adds what holds for contacts at a moment (milliseconds); `accounts`: all that any of them was ever in."""
    for parts in contacts:
        kind, subject = parts[0]["kind"], parts[0]["subject"]
        found: Contact = history.contact(parts)
        rows["current_preferences"] += current_rows(subject, kind, found, accounts, reference, at)


def named_accounts(parts: Sequence[Fields]) -> set[str]:
    """The accounts that the state of a contact speaks of."""
    return {entry["account"] for entry in entries(parts) if "account" in entry}
