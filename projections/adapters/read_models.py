"""The tables of the read models: what data teams query. `docs/data-dictionary.md` is generated from their comments.

By reference only: no number, no address and nothing that a person wrote is in them. The tables have no schema of their
own: the connection's search path says which set of them is meant, so that a second set can be filled beside the live
one. Rows are made by `projections/rows/`; nothing here or in SQL decides what a preference means.
"""

from typing import Any, Final

import sqlalchemy as sa

READ_MODELS: Final = sa.MetaData()
MILLIS: Final = "Milliseconds since 1970, UTC."
TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Codes and references, which no language sorts: by their bytes, as SQLite does."""


def _text(name: str, comment: str, nullable: bool = False, key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, TEXT, nullable=nullable, primary_key=key, comment=comment)


def _time(name: str, comment: str, nullable: bool = False, key: bool = False) -> sa.Column[Any]:
    said = f"{comment} {MILLIS}"
    return sa.Column(name, sa.BigInteger, nullable=nullable, primary_key=key, autoincrement=False, comment=said)


def _count(name: str, comment: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False, comment=comment)


def _place() -> list[sa.Column[Any]]:
    """Where an entry stands in the ledger."""
    return [
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False, comment="Partition of the ledger."),
        sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False, comment="Place in the partition."),
    ]


def _paths(of: str, nullable: bool = False) -> list[sa.Column[Any]]:
    """A scope by its three dimensions."""
    return [
        _text("brand", f"Brand {of}, * for all.", nullable),
        _text("channel", f"Channel {of}, * for all.", nullable),
        _text("purpose", f"Purpose {of}, a dotted path that stands for all below it, * for all.", nullable),
    ]


def _scope() -> sa.Column[Any]:
    return _text("scope", "The three written together, brand/channel/purpose.", key=True)


POSITIONS = sa.Table(
    "positions",
    READ_MODELS,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False, comment="Partition of the ledger."),
    sa.Column("offset", sa.BigInteger, nullable=False, comment="Up to which place, exclusive, the rows have it."),
    _time("recorded_at", "When the last event in the rows was recorded."),
    _time("caught_up_at", "When it was committed, by the projector's clock."),
    comment="Up to where in the ledger all other rows are: written in one transaction with them.",
)
MARKS = sa.Table(
    "marks",
    READ_MODELS,
    _text("name", "What the mark is of.", key=True),
    _text("value", "Where it stands."),
    comment="What the projector notes for itself beside the positions.",
)
STATES = sa.Table(
    "states",
    READ_MODELS,
    _text("key", "The subject's reference; with #n for the later parts of a long state.", key=True),
    sa.Column("value", sa.LargeBinary, nullable=False, comment="One part of the folded state, JSON (docs/states.md)."),
    comment="The folded states that the rows are made from; for the projector, not for queries.",
)
REJECTED = sa.Table(
    "rejected",
    READ_MODELS,
    *_place(),
    _text("reason", "Why it is no event."),
    comment="Entries of the ledger that are no events: set aside, never dropped.",
)
EVENTS = sa.Table(
    "events",
    READ_MODELS,
    *_place(),
    _text("event_id", "Id of the event."),
    _text("type", "Type of the event, such as PreferenceRevoked."),
    _text("kind", "What the subject is: number, email, account or operator."),
    _text("subject", "Reference of whom it is about; of the operator's, the name."),
    _time("occurred_at", "When it was said, at the latest when it was recorded."),
    _time("received_at", "When it reached the operator."),
    _time("recorded_at", "When the ledger recorded it."),
    _text("actor_kind", "Who spoke: person, agent, system, import or regulator."),
    _text("actor", "Reference of the person or agent; of the others, the code."),
    _text("source", "Published code of the source that it came through, such as a campaign's."),
    _text("procedure_id", "Procedure that staff followed.", nullable=True),
    _text("procedure_version", "Version of that procedure.", nullable=True),
    _text("evidence_kind", "Kind of the words behind it, which are kept elsewhere; null where there are none.", True),
    _text("evidence_language", "Language of those words, where it was said.", nullable=True),
    sa.Column("by_free_text", sa.Boolean, nullable=False, comment="Whether words of the person's are its evidence."),
    _text("jurisdiction", "Country whose rules were said to hold, two letters.", nullable=True),
    *_paths("that it is about", nullable=True),
    _text("basis", "Of a grant: express, implied, soft_opt_in or contract.", nullable=True),
    _time("valid_until", "Last moment at which the statement counts; null for no end.", nullable=True),
    _text("account", "Reference of the account that a contact joined or left.", nullable=True),
    _text("about", "Id of the event that it corrects, or of the follow-up that it assigns or resolves.", True),
    _text("reason", "Published code of the reason or resolution.", nullable=True),
    _text("sender", "Sender that an event of the operator's is about.", nullable=True),
    _text("causation_id", "Id of the event that caused it.", nullable=True),
    _text("flags", "What was doubtful about it, codes separated by commas; empty for nothing."),
    comment="Every event of the ledger, a row each; also those that were corrected or repeated later.",
)
PREFERENCE_HISTORY = sa.Table(
    "preference_history",
    READ_MODELS,
    _text("subject", "Reference of the number, address or account.", key=True),
    _scope(),
    _time("valid_from", "From when on it held.", key=True),
    _time("valid_to", "Until when it held, exclusive; null while it holds.", nullable=True),
    _text("kind", "What the subject is: number, email or account."),
    *_paths("of the statement"),
    _text("state", "revoked, granted, or expired for a yes that ran out; when nothing held there is no row."),
    _text("level", "own: what the subject said itself, without its accounts."),
    _text("event_id", "Id of the event that decides."),
    _time("recorded_at", "When that event was recorded."),
    comment="Every interval of what a subject itself had said of a scope; corrections and expiry are worked in.",
)
HISTORY_BY_DAY = sa.Table(
    "history_by_day",
    READ_MODELS,
    _time("day", "Begin of the day, UTC.", key=True),
    _text("kind", "What the subjects are: number, email or account.", key=True),
    _scope(),
    *_paths("of the statement"),
    _text("state", "revoked, granted, or expired.", key=True),
    _count("count", "How many rows of preference_history with just these begin on that day."),
    comment="preference_history counted by the day on which its intervals begin, exactly; also after a correction.",
)
CURRENT_PREFERENCES = sa.Table(
    "current_preferences",
    READ_MODELS,
    _text("subject", "Reference of the number or address.", key=True),
    _scope(),
    _text("kind", "What the subject is: number or email."),
    *_paths("of the statement"),
    _text("state", "revoked, granted, or expired for a yes that ran out; when nothing holds there is no row."),
    _text("level", "Which level decides: own, account, or former for an account that it left."),
    _text("decided_by", "Reference of the subject whose statement decides: its own, or the account's."),
    _text("event_id", "Id of the event that decides."),
    _time("since", "Since when, by when that event was said."),
    _time("changes_at", "When the state may change by itself, because something runs out; null for never.", True),
    comment="What holds now for each number or address in each scope that it or an account of its spoke of. Halts, "
    "follow-ups and what policy makes of silence are not in it: whether a message may go out is the gate's to say.",
)
COMING_CHANGES = sa.Table(
    "coming_changes",
    READ_MODELS,
    _text("subject", "Reference of the number or address.", key=True),
    _time("changes_at", "When something may come to hold in a scope that it has no row for."),
    sa.Index("coming_by_time", "changes_at"),
    comment="Contacts to be looked at again of which current_preferences has no row that says so; for the projector.",
)
ACCOUNTS = sa.Table(
    "accounts",
    READ_MODELS,
    _text("subject", "Reference of the account.", key=True),
    _time("first_recorded_at", "When the ledger first heard of it."),
    _count("numbers", "How many numbers and addresses belong to it now."),
    comment="Every account that the ledger has heard of.",
)
ACCOUNT_NUMBERS = sa.Table(
    "account_numbers",
    READ_MODELS,
    _text("subject", "Reference of the number or address.", key=True),
    _text("account", "Reference of the account.", key=True),
    _time("joined_at", "When it joined.", key=True),
    _time("left_at", "When it left, exclusive; null while it belongs to it.", nullable=True),
    _text("kind", "What the subject is: number or email."),
    comment="Each time for which a number or address belonged to an account.",
)
ACCOUNT_GROUPS = sa.Table(
    "account_groups",
    READ_MODELS,
    _text("account", "Reference of the account."),
    _text("held", "Scope and state of each row of current_preferences that such a member has, JSON."),
    _count("members", "How many numbers and addresses that belong to the account now have just these."),
    sa.Index("groups_by_account", "account"),
    comment="The members of accounts, counted by what they hold; for the projector, not for queries.",
)
ACCOUNT_COVERAGE = sa.Table(
    "account_coverage",
    READ_MODELS,
    _text("account", "Reference of the account.", key=True),
    _scope(),
    *_paths("of the opt-out"),
    _time("opted_out_since", "Since when the account is opted out; null where only some of its numbers are.", True),
    _count("numbers", "How many numbers and addresses belong to the account now."),
    _count("covered", "How many of them are opted out of the scope."),
    _count("uncovered", "How many are not; of an account that is opted out itself that is a gap."),
    comment="Accounts that are opted out, or of which some numbers are, against all of their numbers.",
)
FOLLOW_UPS = sa.Table(
    "follow_ups",
    READ_MODELS,
    _text("follow_up", "Id of the event that opened it.", key=True),
    _text("kind", "What the subject is: number, email, account or operator."),
    _text("subject", "Reference of whom it is about, or operator:inbox."),
    _text("reason", "Published code of why somebody has to look."),
    sa.Column("holds", sa.Boolean, nullable=False, comment="Whether it holds traffic while it is open."),
    _time("opened_at", "When it was opened."),
    _time("due_at", "By when somebody has to have looked.", nullable=True),
    _text("assignee", "Reference of who looks at it now.", nullable=True),
    _time("assigned_at", "When it was last given to somebody.", nullable=True),
    _time("resolved_at", "When it was resolved; null while it is open.", nullable=True),
    _text("resolution", "Published code of how it was resolved.", nullable=True),
    comment="What a person had or has to look at.",
)
SENDERS = sa.Table(
    "senders",
    READ_MODELS,
    _text("sender", "The identity that messages show.", key=True),
    _text("state", "registered, verified, suspended, or unregistered for one that was only spoken of."),
    _text("brand", "Brand that it sends for.", nullable=True),
    sa.Column("takes_replies", sa.Boolean, nullable=True, comment="Whether it takes replies, as last registered."),
    _time("registered_at", "When it was last registered.", nullable=True),
    _time("verified_at", "When it was last verified.", nullable=True),
    _time("suspended_at", "When it was last suspended.", nullable=True),
    comment="The operator's senders, as its events have them.",
)
ENFORCEMENT = sa.Table(
    "enforcement",
    READ_MODELS,
    _text("event_id", "Id of a revocation.", key=True),
    _text("gateway", "Name of the gateway.", key=True),
    _time("requested_at", "When it was said."),
    _time("recorded_at", "When the ledger recorded it."),
    _time("enforced_at", "Since when every process of the gateway has it or may not send; null if not yet.", True),
    sa.Column("lag_ms", sa.BigInteger, nullable=True, comment="Milliseconds from recorded to enforced."),
    comment="When each opt-out was in force at each gateway that was running; from the gateways' own receipts.",
)
DECISIONS = sa.Table(
    "decisions",
    READ_MODELS,
    _time("hour", "Begin of the hour in which they were logged.", key=True),
    _text("gateway", "Name of the gateway.", key=True),
    _text("channel", "Channel of the messages.", key=True),
    _text("purpose", "Purpose of the messages.", key=True),
    _text("answer", "allowed, denied, or would_deny for a gateway that only watches.", key=True),
    _text("reason", "Why, as the decision table has it.", key=True),
    _count("count", "How many decisions."),
    comment="Decisions on real sends, counted by hour.",
)

SECONDARY: Final = (
    sa.Index("events_by_subject", EVENTS.c.subject),
    sa.Index("events_by_id", EVENTS.c.event_id),
    sa.Index("events_by_time", EVENTS.c.recorded_at),
    sa.Index("history_by_time", PREFERENCE_HISTORY.c.valid_from, PREFERENCE_HISTORY.c.state),
    sa.Index("current_changes", CURRENT_PREFERENCES.c.changes_at),
    sa.Index("current_by_decider", CURRENT_PREFERENCES.c.decided_by),
    sa.Index("numbers_by_account", ACCOUNT_NUMBERS.c.account),
    sa.Index("follow_ups_by_subject", FOLLOW_UPS.c.subject),
)
"""Indexes that a bulk load makes after the rows."""
