"""Who a person names at the edge: a phone number, a mail address or an account, in its one spelling."""

import re
import unicodedata
from typing import Literal, NamedTuple

from schemas import number
from schemas.errors import ContactError, shown

SubjectKind = Literal["number", "email", "account", "operator"]

LONGEST_ACCOUNT = 200
LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
ADDRESS = re.compile(r"[^@\s]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


class Subject(NamedTuple):
    """A contact or an account as people write it; inside, `ledger.reference` turns it into a reference."""

    kind: SubjectKind
    id: str

    @property
    def is_contact(self) -> bool:
        """A message can be sent to it."""
        return self.kind != "account"

    def __str__(self) -> str:
        return self.id if self.kind == "number" else f"{self.kind}:{self.id}"

    @property
    def masked(self) -> str:
        """As logs and messages may show it: `+1416•••0123`, `j•••@example.org`, accounts in full."""
        if self.kind == "number":
            return number.mask(self.id)
        if self.kind == "email":
            local, _, domain = self.id.partition("@")
            return f"{local[:1]}•••@{domain}"
        return str(self)


def parse_subject(text: str, region: str | None = None) -> Subject:
    """`+15551234567`, `number:…`, `account:ID` or `email:ADDRESS`. Raises ContactError."""
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        return Subject("number", number.parse_number(text, region))
    match kind:
        case "number":
            return Subject("number", number.parse_number(rest, region))
        case "account":
            return Subject("account", account(rest))
        case "email":
            return Subject("email", address(rest))
    raise ContactError(f"{shown(text)} names no subject; write +15551234567, account:ID or email:ADDRESS")


def parse_contact(text: str, region: str | None = None) -> Subject:
    """A number or a mail address, the kind left out where an `@` shows it. Raises ContactError."""
    if "@" in text and ":" not in text:
        return Subject("email", address(text))
    subject = parse_subject(text, region)
    if not subject.is_contact:
        raise ContactError(f"{shown(text)} is an account; a contact is a number or an address")
    return subject


def account(text: str) -> str:
    """An account id: opaque, printable, no white space around it, at most 200 characters. Raises ContactError."""
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise ContactError("an account id is empty")
    if len(text) > LONGEST_ACCOUNT:
        raise ContactError(f"the account id {shown(text)} is longer than {LONGEST_ACCOUNT} characters")
    if not text.isprintable():
        raise ContactError(f"the account id {shown(text)} holds a control character")
    return text


def address(text: str) -> str:
    """A mail address, lower-cased (RFC 5321 addresses without quoted local parts). Raises ContactError."""
    text = unicodedata.normalize("NFC", text.strip()).lower()
    if len(text) > LONGEST_ADDRESS or not text.isprintable() or not ADDRESS.fullmatch(text):
        raise ContactError(f"{shown(text)} is not a mail address; write it like jean@example.org")
    return text
