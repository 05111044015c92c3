"""The history is counted by day, so that nobody who asks for a rate by day has to count millions of rows.

The projector fills the table in its first turn after the upgrade, in which it makes all rows anew.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the table, and forgets by which rules the rows were made."""
    op.create_table(
        "history_by_day",
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("scope", TEXT, primary_key=True),
        sa.Column("brand", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("state", TEXT, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.execute(sa.text("DELETE FROM marks WHERE name = 'rules'"))
