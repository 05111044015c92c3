"""All rows that are made of a subject's state, by the name of their table. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from projections import history
from projections.history import NO_ACCOUNT, NO_CONTACT, Account, Contact, entries
from projections.rows.current import current_rows
from projections.rows.flat import Row
from projections.rows.intervals import Asking, history_rows
from projections.rows.subjects import follow_up_rows, membership_rows, sender_rows
from projections.standing import standing
from projections.statement import Fields
from schemas.events import OPERATOR_SENDERS

Rows = dict[str, list[Row]]
CONTACTS = ("number", "email")


class Told(NamedTuple):
    """A subject's state, read once for all of its rows."""

    kind: str
    subject: str
    entries: Sequence[Fields]
    contact: Contact
    account: Account


def told(parts: Sequence[Fields]) -> Told:
    """`parts`: all of a state, in order, at least one."""
    kind = parts[0]["kind"]
    return Told(
        kind,
        parts[0]["subject"],
        entries(parts),
        history.contact(parts) if kind in CONTACTS else NO_CONTACT,
        history.account(parts) if kind == "account" else NO_ACCOUNT,
    )


def add_own_rows(rows: Rows, said: Told, asking: Asking) -> None:
    """Adds what follows from one subject's state alone."""
    kind, subject = said.kind, said.subject
    if kind in CONTACTS:
        contact = said.contact
        rows["preference_history"] += history_rows(subject, kind, contact.said, contact.reassigned, asking)
        rows["account_numbers"] += membership_rows(subject, kind, contact)
    elif kind == "account":
        rows["preference_history"] += history_rows(subject, kind, said.account.said, (), asking)
    elif subject == OPERATOR_SENDERS:
        rows["senders"] += sender_rows(asking.reference)
    if any(entry["type"] == "FollowUpOpened" for entry in said.entries):
        rows["follow_ups"] += follow_up_rows(subject, kind, standing(said.entries))


def add_current_rows(
    rows: Rows, contacts: Iterable[Told], accounts: Mapping[str, Account], asking: Asking, at: int
) -> None:
    """Adds what holds for contacts at a moment (milliseconds); `accounts`: all that any of them was ever in."""
    for said in contacts:
        current, coming = current_rows(said.subject, said.kind, said.contact, accounts, asking, at)
        rows["current_preferences"] += current
        if coming is not None:
            rows["coming_changes"].append((said.subject, coming))
