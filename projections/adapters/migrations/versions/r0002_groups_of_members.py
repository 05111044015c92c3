"""Members of accounts are counted by what they hold, so that a turn of the projector goes on from the count before it.

The projector counts them in its first turn after the upgrade, in which it makes all rows anew.
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
    op.execute(sa.text("DELETE FROM marks WHERE name = 'rules'"))
