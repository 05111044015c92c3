"""The current preference of a subject, level by level, at a time and as known at a watermark."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from consumers.wording import REASONS, scope_in_words
from projections.history import Account, Contact, Said
from projections.membership import Spell, Spells, last_leaving, linked
from projections.question import Coverage, Question
from projections.reference_data import Reference
from projections.resolve import resolve
from projections.view import Histories, View
from schemas.decision import ALLOWING, Reason, Verdict
from schemas.subject import Subject
from schemas.times import rfc3339


class LevelStatus(NamedTuple):
    """One level: `own`, `account` (linked now) or `former` (left), with what was said there by that time."""

    level: str
    account: str | None
    since: int | None
    said: tuple[Said, ...]


class Status(NamedTuple):
    """What holds for a subject at a time."""

    at: int
    policy: str
    levels: list[LevelStatus]
    verdicts: dict[tuple[str, str], Verdict]
    holds: list[str]


def status(view: View, subject: Subject, ref: str, at: int, brand: str | None, region: str | None) -> Status:
    """The status of a subject at a time (milliseconds); of an account as for a contact that only belongs to it."""
    histories = Histories(view)
    reference = histories.reference
    contact = histories.contact(ref) if subject.is_contact else _member_of(ref)
    accounts = histories.accounts_of(contact)
    holds = [*contact.holds, *(hold for account in accounts.values() for hold in account.holds)]
    policy = reference.policy(at)
    return Status(
        at,
        policy.label,
        list(_levels(contact, accounts, at, own=subject.is_contact)),
        dict(_verdicts(contact, accounts, reference, at, brand or policy.brand, region)),
        [hold.event_id for hold in holds if hold.open_at(at)],
    )


def _member_of(account: str) -> Contact:
    return Contact(accounts=((account, (Spell(0, None),)),))


def _levels(contact: Contact, accounts: Mapping[str, Account], at: int, own: bool) -> Iterator[LevelStatus]:
    if own:
        yield LevelStatus("own", None, None, _by(contact.said, at))
    for name, spells in contact.accounts:
        if level := _membership(spells, at):
            yield LevelStatus(level[0], name, level[1], _by(accounts[name].said, at))


def _membership(spells: Spells, at: int) -> tuple[str, int] | None:
    if linked(spells, at):
        return "account", max(spell.joined for spell in spells if spell.joined <= at)
    left = last_leaving(spells, at)
    return ("former", left.occurred) if left else None


def _by(said: tuple[Said, ...], at: int) -> tuple[Said, ...]:
    return tuple(statement for statement in said if statement.at.occurred <= at)


def _verdicts(
    contact: Contact, accounts: Mapping[str, Account], reference: Reference, at: int, brand: str, region: str | None
) -> Iterator[tuple[tuple[str, str], Verdict]]:
    """For every channel and purpose of the policy, what would be answered."""
    policy = reference.policy(at)
    for purpose in policy.purposes:
        for channel in policy.channels:
            coverage = Coverage(brand, channel, purpose)
            question = Question(policy, at, coverage, channel, purpose, None, region)
            yield (purpose, channel), resolve(contact, accounts, reference, question)


def as_json(found: Status, shown: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The status as one JSON document."""
    return {
        "subject": shown,
        "at": rfc3339(found.at),
        "policy": found.policy,
        "levels": [
            {
                "level": level.level,
                "account": names[level.account] if level.account else None,
                "since": rfc3339(level.since) if level.since else None,
                "statements": [_said_json(said) for said in level.said],
            }
            for level in found.levels
        ],
        "held_by": found.holds,
        "decisions": [
            {"purpose": purpose, "channel": channel, "allowed": verdict.allowed, "reason": verdict.reason}
            for (purpose, channel), verdict in found.verdicts.items()
        ],
    }


def _said_json(said: Said) -> dict[str, Any]:
    brand, channel, purpose = said.scope
    return {
        "event_id": said.event_id,
        "says": "no" if said.revokes else "yes",
        "brand": brand,
        "channel": channel,
        "purpose": purpose,
        "occurred_at": rfc3339(said.at.occurred),
        "recorded_at": rfc3339(said.at.recorded),
        "valid_until": rfc3339(said.until) if said.until else None,
        "basis": said.basis,
    }


def in_words(found: Status, shown: str, names: Mapping[str, str]) -> Iterator[str]:
    """The status as a care agent reads it."""
    yield f"{shown} at {rfc3339(found.at)}, by the policy {found.policy}"
    for level in found.levels:
        yield f"  {_heading(level, names)}"
        for said in level.said:
            word = "no " if said.revokes else "yes"
            yield f"    {rfc3339(said.at.occurred)}  {word} to {scope_in_words(said.scope)}{_limits(said)}"
        if not level.said:
            yield "    nothing said"
    if found.holds:
        yield f"  held for a person to look at: {', '.join(found.holds)}"
    yield "  so now:"
    yield from _summary(found)


def _heading(level: LevelStatus, names: Mapping[str, str]) -> str:
    if level.account is None:
        return "said for itself"
    if not level.since:
        return "said for the account"
    said, when = names[level.account], rfc3339(level.since)
    return f"{said}, member since {when}" if level.level == "account" else f"{said}, left at {when}; its no stays"


def _limits(said: Said) -> str:
    return (f" ({said.basis})" if said.basis else "") + (f" until {rfc3339(said.until)}" if said.until else "")


def _summary(found: Status) -> Iterator[str]:
    """One line a purpose and answer, its channels gathered."""
    gathered: dict[tuple[str, Reason], list[str]] = {}
    for (purpose, channel), verdict in found.verdicts.items():
        gathered.setdefault((purpose, verdict.reason), []).append(channel)
    every = len({channel for _, channel in found.verdicts})
    for (purpose, reason), channels in gathered.items():
        answer = "may go out" if reason in ALLOWING else "is denied"
        how = "by every channel" if len(channels) == every else f"by {', '.join(channels)}"
        yield f"    {purpose:<20} {answer}: {REASONS[reason]} ({how})"
