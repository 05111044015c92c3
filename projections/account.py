"""The fold of an account's state: what each event about an account adds to it. Pure."""

from projections.statement import Fields, said_of_subject
from schemas.events import Event


def adds(event: Event) -> Fields:
    """What an event adds to the account's state; its contacts are in their own states, never here."""
    return said_of_subject(event)
