"""The fold of a contact's state: what each event about a number or an address adds to it. Pure."""

from projections.statement import Fields, said_of_subject
from schemas.events import (
    ContactLinked,
    ContactUnlinked,
    Event,
    NumberReassigned,
)


def adds(event: Event) -> Fields:
    """What an event adds to the contact's state, besides what every entry has; empty for what it does not ask."""
    match event:
        case ContactLinked() | ContactUnlinked():
            return {"account": event.account, "reason": event.reason}
        case NumberReassigned():
            return {}
        case _:
            return said_of_subject(event)
