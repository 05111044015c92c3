"""Messages that went out to people who had said no: `prefledger violations` (`docs/decisions-log.md`)."""
