"""Rows that follow from one subject's state alone: memberships, follow-ups, senders. Pure."""

from collections.abc import Collection, Iterator, Sequence

from projections.history import Contact
from projections.reference_data import Reference
from projections.rows.flat import Row, clean
from projections.statement import Fields

_SAID = {"SenderRegistered": "registered", "SenderVerified": "verified", "SenderSuspended": "suspended"}


def membership_rows(subject: str, kind: str, contact: Contact) -> Iterator[Row]:
    """Rows of `account_numbers`: each time for which a contact belonged to an account."""
    for account, spells in contact.accounts:
        for spell in spells:
            yield (subject, account, spell.joined, spell.left.occurred if spell.left else None, kind)


def follow_up_rows(subject: str, kind: str, stands: Sequence[Fields]) -> Iterator[Row]:
    """Rows of `follow_ups`; `stands` are the entries of the subject that stand. The first resolution counts."""
    assigned: dict[str, Fields] = {}
    resolved: dict[str, Fields] = {}
    for entry in stands:
        if entry["type"] == "FollowUpAssigned":
            assigned[entry["follow_up"]] = entry
        elif entry["type"] == "FollowUpResolved":
            first = resolved.get(entry["follow_up"], entry)
            resolved[entry["follow_up"]] = min(first, entry, key=lambda one: int(one["occurred_at"]))
    for entry in stands:
        if entry["type"] == "FollowUpOpened":
            name = entry["event_id"]
            given, done = assigned.get(name, {}), resolved.get(name, {})
            yield (
                *(name, kind, subject, entry["reason"], entry["holds"], entry["occurred_at"], entry.get("due_at")),
                *(given.get("assignee"), given.get("occurred_at"), done.get("occurred_at"), done.get("resolution")),
            )


def sender_rows(reference: Reference) -> Iterator[Row]:
    """Rows of `senders`. A suspension counts from its moment on, until something later is said of the sender."""
    for sender, said in sorted(reference.senders.items()):
        ordered = sorted(said, key=lambda entry: (entry["occurred_at"], entry["type"] == "SenderSuspended"))
        last = {entry["type"]: entry for entry in ordered}
        times = [last.get(kind, {}).get("occurred_at") for kind in _SAID]
        registered = last.get("SenderRegistered", {})
        brand = registered.get("brand")
        state = _state(ordered[-1]["type"], last.keys())
        yield (clean(sender), state, brand and clean(brand), registered.get("takes_replies"), *times)


def _state(latest: str, kinds: Collection[str]) -> str:
    if latest == "SenderSuspended":
        return "suspended"
    if "SenderRegistered" not in kinds:
        return "unregistered"
    return "verified" if "SenderVerified" in kinds else "registered"
