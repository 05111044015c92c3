"""Where a process starts: the only place that chooses adapters. Each file is one kind of process on one screen."""

from consumers.bootstrap.embedded import default_policy, open_ledger, open_log_alone
from consumers.bootstrap.receipts import open_receipts

__all__ = ["default_policy", "open_ledger", "open_log_alone", "open_receipts"]
