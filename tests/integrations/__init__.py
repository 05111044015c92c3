"""The documented integrations, against the real things."""
