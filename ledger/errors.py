"""The ledger's errors, and what a caller may do about each.

PreferenceLedgerError
├── InputError                 exit 2: mend the input and call again; nothing was written
│   ├── RefusedError           a grant, link or correction that the ledger does not take
│   │   └── KeyConflictError   the idempotency key was used before for something else
│   └── UnknownEventError      no event has that id
└── LedgerError
    ├── UnavailableError       exit 3: nothing was acknowledged; repeat with the same key
    │   └── NoRoomError        … once there is room on the disk again
    ├── NotALedgerError        exit 2: the file is something else, or is damaged
    ├── TamperedError          exit 1: what was proven once does not hold any more
    └── WrongSecretError       exit 2: the secret is not the one this ledger was made with
"""

from schemas.errors import InputError, PreferenceLedgerError


class RefusedError(InputError):
    """The ledger does not take this. Never raised for a revocation whose subject is understood."""


class KeyConflictError(RefusedError):
    """The same subject and idempotency key came with other content. Use a new key, or correct the first."""


class UnknownEventError(InputError):
    """No event has that id."""


class LedgerError(PreferenceLedgerError):
    """Something is wrong with the ledger, not with the input."""


class UnavailableError(LedgerError):
    """The log or a store cannot be reached. Nothing was acknowledged; repeat with the same idempotency key."""


class NoRoomError(UnavailableError):
    """There is no room to write. Nothing was acknowledged; make room and repeat with the same key."""


class NotALedgerError(LedgerError):
    """The file is not a ledger, or is damaged. It was not changed."""


class WrongSecretError(LedgerError):
    """The secret is not the one that this ledger's references were made with. Nothing was read or written."""


class TamperedError(LedgerError):
    """A proof, a signature or a hash does not hold: something was changed, removed or put in. Nothing was written."""
