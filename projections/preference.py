"""The fold of a contact's state: what each event about a number or an address adds to it."""

from collections.abc import Mapping

from projections import statement

ADDS: Mapping[str, tuple[str, ...]] = {
    **statement.ADDS,
    "ContactLinked": ("account", "reason"),
    "ContactUnlinked": ("account", "reason"),
    "NumberReassigned": (),
}
