"""Decisions on record: how they are logged, found again, explained and replayed (`docs/decisions-log.md`)."""
