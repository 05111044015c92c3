"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out, not taken from today's tables: a revision makes what it made when it was released. A column is its name,
# its type, and `key` for the primary key or `null` where it may be empty. Comments are set after every upgrade.
TABLES = {
    "positions": ("partition int key, offset big, recorded_at big, caught_up_at big"),
    "marks": ("name text key, value text"),
    "states": ("key text key, value bytes"),
    "rejected": ("partition int key, offset big key, reason text"),
    "events": (
        "partition int key, offset big key, event_id text, type text, kind text, subject text, occurred_at big, "
        "received_at big, recorded_at big, actor_kind text, actor text, source text, procedure_id text null, "
        "procedure_version text null, evidence_kind text null, evidence_language text null, by_free_text bool, "
        "jurisdiction text null, brand text null, channel text null, purpose text null, basis text null, "
        "valid_until big null, account text null, about text null, reason text null, sender text null, "
        "causation_id text null, flags text"
    ),
    "preference_history": (
        "subject text key, scope text key, valid_from big key, valid_to big null, kind text, brand text, "
        "channel text, purpose text, state text, level text, event_id text, recorded_at big"
    ),
    "current_preferences": (
        "subject text key, scope text key, kind text, brand text, channel text, purpose text, state text, "
        "level text, decided_by text, event_id text, since big, changes_at big null"
    ),
    "accounts": ("subject text key, first_recorded_at big, numbers big"),
    "account_numbers": ("subject text key, account text key, joined_at big key, left_at big null, kind text"),
    "account_coverage": (
        "account text key, scope text key, brand text, channel text, purpose text, opted_out_since big null, "
        "numbers big, covered big, uncovered big"
    ),
    "follow_ups": (
        "follow_up text key, kind text, subject text, reason text, holds bool, opened_at big, due_at big null, "
        "assignee text null, assigned_at big null, resolved_at big null, resolution text null"
    ),
    "senders": (
        "sender text key, state text, brand text null, takes_replies bool null, registered_at big null, "
        "verified_at big null, suspended_at big null"
    ),
    "enforcement": (
        "event_id text key, gateway text key, requested_at big, recorded_at big, enforced_at big null, lag_ms big null"
    ),
    "decisions": (
        "hour big key, gateway text key, channel text key, purpose text key, answer text key, reason text key, "
        "count big"
    ),
}
INDEXES = (
    ("events_by_subject", "events", ["subject"]),
    ("events_by_id", "events", ["event_id"]),
    ("events_by_time", "events", ["recorded_at"]),
    ("history_by_time", "preference_history", ["valid_from", "state"]),
    ("current_changes", "current_preferences", ["changes_at"]),
    ("current_by_decider", "current_preferences", ["decided_by"]),
    ("numbers_by_account", "account_numbers", ["account"]),
    ("follow_ups_by_subject", "follow_ups", ["subject"]),
)
TYPES: dict[str, Any] = {
    "text": sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
    "int": sa.Integer(),
    "big": sa.BigInteger(),
    "bool": sa.Boolean(),
    "bytes": sa.LargeBinary(),
}


def upgrade() -> None:
    """Makes them."""
    for table, columns in TABLES.items():
        op.create_table(table, *(_column(*said.split()) for said in columns.split(", ")))
    for name, table, indexed in INDEXES:
        op.create_index(name, table, indexed)


def _column(name: str, kind: str, how: str = "") -> sa.Column[Any]:
    is_key = how == "key"
    return sa.Column(name, TYPES[kind], primary_key=is_key, nullable=how == "null", autoincrement=False)
