"""Keeps the read models current: every event once, whatever is killed (`docs/read-models.md`)."""
