"""What can be wrong with a local copy.

LedgerError
├── SnapshotError        the file cannot be used: load the copy from the projections again, and save it
└── OutrunError          a change came without what it goes on from: load the copy again
"""

from ledger.errors import LedgerError


class SnapshotError(LedgerError):
    """The file is no snapshot, is damaged, or belongs to another ledger or version. It was not changed."""


class OutrunError(LedgerError):
    """A later part of a state came and the parts before it did not: the reader fell too far behind."""
