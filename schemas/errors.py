"""What a caller did wrong, in one small tree.

    PreferenceLedgerError            everything this product raises on purpose
    └── InputError                   the input cannot be understood; mend it and call again
        ├── ContactError             not a phone number, mail address or account id
        ├── ScopeError               not a brand, channel or purpose
        └── TimeError                not a time, or a time without an offset

The ledger's own errors (a log that is away, a wrong secret) continue the tree in `ledger/errors.py`.
"""


class PreferenceLedgerError(Exception):
    """The root; its text is one sentence that says what is wrong and what to do."""


class InputError(PreferenceLedgerError):
    """What was given cannot be understood. Nothing was written."""


class ContactError(InputError):
    """A subject is neither a phone number, nor a mail address, nor an account id."""


class ScopeError(InputError):
    """A brand, channel or purpose is malformed, or is not in the policy."""


class TimeError(InputError):
    """A time is not RFC 3339, or has no offset and no time zone was named for it."""


def shown(value: object, limit: int = 60) -> str:
    """A caller's value as an error message may repeat it: quoted, on one line, and cut when it is long."""
    text = str(value)
    quoted = ascii(text[:limit]) if not text.isprintable() else repr(text[:limit])
    return quoted if len(text) <= limit else f"{quoted}… ({len(text):,} characters)"
