"""Who belongs to an account, as the read models know it: the ledger has it by contact, and they the other way round."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from consumers.opened import Ledger
from consumers.wording import masked
from schemas.errors import PreferenceLedgerError
from schemas.times import rfc3339

SHOWN: Final = 20


class Contacts(NamedTuple):
    """References of the contacts and since when they belong to it, as of a time; names are masked."""

    contacts: list[tuple[str, int]]
    as_of: int
    names: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """What `status --json` has of them."""
        listed = [{"contact": self.names[ref], "ref": ref, "since": rfc3339(at)} for ref, at in self.contacts]
        return {"contacts": listed, "contacts_as_of": rfc3339(self.as_of)}

    def in_words(self) -> Iterator[str]:
        """As a care agent reads it."""
        yield f"  contacts, {len(self.contacts):,} as the read models had it at {rfc3339(self.as_of)}:"
        for ref, at in self.contacts[:SHOWN]:
            yield f"    {self.names[ref]:<20} since {rfc3339(at)}"
        if len(self.contacts) > SHOWN:
            yield f"    and {len(self.contacts) - SHOWN:,} more"


def contacts_of(ledger: Ledger, account: str, tell: Callable[[str], None]) -> Contacts | None:
    """The contacts of an account by its reference; None where there are no read models, or none that can be asked.

    A status is told without the data teams' database as well; `tell` hears why there are no contacts in it.
    """
    from consumers.bootstrap.read_models import members_of  # the database, which no other status needs

    try:
        found = members_of(ledger.settings, account)
    except PreferenceLedgerError as error:
        tell(f"the contacts of the account are left out: {error}")
        return None
    if found is None:
        return None
    return Contacts(found.contacts, found.as_of, masked(ledger.people, [ref for ref, _ in found.contacts]))
