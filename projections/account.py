"""The fold of an account's state: what each event about an account adds to it; its contacts are in their own states."""

from collections.abc import Mapping

from projections import statement

ADDS: Mapping[str, tuple[str, ...]] = statement.ADDS
