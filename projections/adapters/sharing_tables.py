"""The two tables beside the read models from which views for analysts are made; by reference, and never a number."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from projections.adapters.read_model_writing import is_postgres

SHARING, ANALYSIS = "sharing", "analysis"
"""Schemas on PostgreSQL: what is beside the tables, which a replay leaves as it is, and the views."""

METADATA = sa.MetaData(schema=SHARING)
PSEUDONYMS = sa.Table(
    "pseudonyms",
    METADATA,
    sa.Column("subject", sa.Text, primary_key=True, comment="Reference of a contact or an account."),
    sa.Column("pseudonym", sa.Text, nullable=False, unique=True, comment="Its keyed pseudonym, 32 hex digits."),
    comment="What stands for each reference in the views of analysts. The key is in no database.",
)
MASKED_NUMBERS = sa.Table(
    "masked_numbers",
    METADATA,
    sa.Column("subject", sa.Text, primary_key=True, comment="Reference of a number."),
    sa.Column("masked", sa.Text, nullable=False, comment="The number masked, such as +1416•••0123."),
    comment="Masked numbers, for whom they were granted. Removed when the person is erased.",
)


def schemas(connection: sa.Connection) -> Mapping[str, Any]:
    """What a statement about these tables needs as its options: a SQLite file has no schemas."""
    return {} if is_postgres(connection) else {"schema_translate_map": {SHARING: None}}
