"""Members of accounts are counted by what they hold, so that a turn of the projector goes on from the count before it.

Contacts are remembered whose preference will change although they have none now. The projector fills both in its first
turn after the upgrade, in which it makes all rows anew.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the table, and forgets by which rules the rows were made."""
    op.create_table(
        "account_groups",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("held", TEXT, nullable=False),
        sa.Column("members", sa.BigInteger, nullable=False),
    )
    op.create_index("groups_by_account", "account_groups", ["account"])
    op.create_table(
        "coming_changes",
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("changes_at", sa.BigInteger, nullable=False),
    )
    op.create_index("coming_by_time", "coming_changes", ["changes_at"])
    op.execute(sa.text("DELETE FROM marks WHERE name = 'rules'"))
