"""The customer database against the ledger: who is in which account there, and here.

A link that the ledger was never told is how an opt-out reaches four numbers of five. Nothing is guessed: a row that
cannot be read is reported with its line and the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from consumers.gaps import Coverages, Denied
from consumers.importing.readers import Row, reader
from consumers.importing.source import opened
from consumers.numbers import parse
from ledger.reference import References
from projections.history import Contact
from projections.membership import Spell, linked
from projections.rebuilt import Rebuilt
from projections.resolve import resolve
from projections.view import Histories
from schemas.errors import InputError
from schemas.subject import Subject, account, address

CONTACTS: Final = ("number", "email")
FIELDS: Final = ("account", *CONTACTS)


class Listed(NamedTuple):
    """The database has a contact in an account; both by reference, and who they are."""

    line: int
    account: str
    contact: str
    whose: Subject
    whom: Subject


class Unreadable(NamedTuple):
    """A row that is no account with a contact, and why."""

    line: int
    reason: str


class Customers:
    """A list from the customer database: a row has an account and a number, an e-mail address, or both."""

    def __init__(self, path: Path, columns: Mapping[str, str], region: str | None) -> None:
        """`columns`: which column is which of FIELDS, where it is not called so; other columns are left out.

        Raises InputError for a file that cannot be read, or has no such columns.
        """
        self._reader = reader(opened(path), header=True)
        self._region = region
        names = {name.casefold(): place for place, name in enumerate(self._reader.columns)}
        self._places = {}
        for field in FIELDS:
            place = names.get(columns.get(field, field).casefold())
            if place is None and field in columns:
                raise InputError(f"the file has no column {columns[field]!r}; it has {', '.join(self._reader.columns)}")
            if place is not None:
                self._places[field] = place
        if "account" not in self._places or len(self._places) < 2:
            raise InputError(
                f"the file has {', '.join(self._reader.columns)}; name the columns of account and number (or email): "
                "--map account=COLUMN --map number=COLUMN"
            )

    def rows(self, references: References) -> Iterator[Listed | Unreadable]:
        """Row by row, in the file's order. Raises InputError where the file cannot be read on."""
        for row in self._reader.rows():
            try:
                yield from self._read(row, references)
            except InputError as error:
                yield Unreadable(row.line, str(error))

    def _read(self, row: Row, references: References) -> Iterator[Listed]:
        if row.trouble is not None:
            raise InputError(row.trouble)
        said = {field: row.cells[place].strip() for field, place in self._places.items()}
        whose = Subject("account", account(said["account"]))
        contacts = [_parsed(field, said[field], self._region) for field in CONTACTS if said.get(field)]
        if not contacts:
            raise InputError("it has no number and no e-mail address")
        for contact in contacts:
            yield Listed(row.line, references.of_subject(whose), references.of_subject(contact), whose, contact)


def _parsed(field: str, text: str, region: str | None) -> Subject:
    return Subject("number", parse(text, region)) if field == "number" else Subject("email", address(text))


class Compared(NamedTuple):
    """What came of comparing: `never_told` are links of the database only, `not_listed` (account, contact) of the
    ledger only, by reference."""

    never_told: list[Listed]
    not_listed: list[tuple[str, str]]
    unreadable: list[Unreadable]

    def people(self) -> dict[str, Subject]:
        """Who is behind the references that the ledger may never have heard of."""
        found = {link.account: link.whose for link in self.never_told}
        return found | {link.contact: link.whom for link in self.never_told}


def compare(rows: Iterator[Listed | Unreadable], rebuilt: Rebuilt, at: int) -> Compared:
    """The links of a list against those in force in the ledger at a time (milliseconds)."""
    known = _links(rebuilt, at)
    listed: set[tuple[str, str]] = set()
    found = Compared([], [], [])
    for row in rows:
        if isinstance(row, Unreadable):
            found.unreadable.append(row)
            continue
        link = (row.account, row.contact)
        if link not in known and link not in listed:
            found.never_told.append(row)
        listed.add(link)
    found.not_listed.extend(sorted(known - listed))
    return found


def _links(rebuilt: Rebuilt, at: int) -> set[tuple[str, str]]:
    histories = Histories(rebuilt)
    return {
        (account_ref, ref)
        for ref in rebuilt.contacts()
        for account_ref, spells in histories.contact(ref).accounts
        if linked(spells, at)
    }


def denied_if_told(never_told: Sequence[Listed], rebuilt: Rebuilt, at: int) -> Iterator[Denied]:
    """What would be denied because of the account, had the ledger been told that the contact is in it."""
    histories = Histories(rebuilt)
    coverages = Coverages(histories.reference.policy(at), at)
    for link in never_told:
        contact = histories.contact(link.contact)
        others = tuple(spells for spells in contact.accounts if spells[0] != link.account)
        told = contact._replace(accounts=(*others, (link.account, (Spell(0, None),))))
        accounts = histories.accounts_of(told)
        for message, question in coverages.under_a_no(Contact(), [accounts[link.account]]):
            verdict = resolve(told, accounts, histories.reference, question)
            if verdict.reason == "revoked_by_account":
                yield Denied(link.contact, message, question, verdict.reason, verdict.evidence, link.account)
