"""The append-only log, the one way into it, and the erasable stores beside it."""
