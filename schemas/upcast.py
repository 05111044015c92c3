"""Old versions of an event become the newest on read, so that a fold knows only the newest.

An upcaster takes the fields of one retired version and returns those of the next; it may add what was not said,
in its most cautious reading, and never drops or changes what was.
"""

from collections.abc import Callable
from typing import Any

Fields = dict[str, Any]


def _follow_up_opened_1(fields: Fields) -> Fields:
    """Version 1 did not say whether traffic is held; a doubt about consent holds it."""
    return fields | {"schema_version": 2, "holds": True}


UPCASTERS: dict[tuple[str, int], Callable[[Fields], Fields]] = {
    ("FollowUpOpened", 1): _follow_up_opened_1,
}


def upcast(fields: Fields) -> Fields:
    """The fields in the newest version of their type; as they are where no retired version is named."""
    while step := _step(fields):
        fields = step(fields)
    return fields


def _step(fields: Fields) -> Callable[[Fields], Fields] | None:
    name, version = fields.get("type"), fields.get("schema_version")  # anything at all, where they are no event's
    return UPCASTERS.get((name, version)) if isinstance(name, str) and isinstance(version, int) else None
