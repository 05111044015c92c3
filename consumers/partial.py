"""Accounts of which some contacts opted out themselves while others can still be sent to: the Canadian pattern."""

from collections.abc import Iterator
from typing import NamedTuple

from consumers.gaps import Coverages, Message
from projections.history import Contact
from projections.membership import linked
from projections.rebuilt import Rebuilt
from projections.resolve import resolve
from projections.view import Histories


class Partial(NamedTuple):
    """An account of which some contacts opted out themselves and others can still be sent to."""

    account: str
    messages: tuple[Message, ...]
    opted_out: tuple[str, ...]
    reachable: tuple[str, ...]


def partial(rebuilt: Rebuilt, at: int) -> Iterator[Partial]:
    """Accounts in which a part of the contacts opted out themselves while others can still be sent to."""
    histories = Histories(rebuilt)
    coverages = Coverages(histories.reference.policy(at), at)
    for account, refs in sorted(_members(rebuilt, histories, at).items()):
        contacts = {ref: histories.contact(ref) for ref in refs}
        found = _split(contacts, histories, coverages)
        if found:
            out = sorted({ref for opted_out, _ in found.values() for ref in opted_out})
            reachable = sorted({ref for _, still in found.values() for ref in still})
            yield Partial(account, tuple(found), tuple(out), tuple(reachable))


def _members(rebuilt: Rebuilt, histories: Histories, at: int) -> dict[str, list[str]]:
    """Which contacts each account has at a time; accounts of one contact cannot be split."""
    members: dict[str, list[str]] = {}
    for ref in rebuilt.contacts():
        for account, spells in histories.contact(ref).accounts:
            if linked(spells, at):
                members.setdefault(account, []).append(ref)
    return {account: refs for account, refs in members.items() if len(refs) > 1}


def _split(
    contacts: dict[str, Contact], histories: Histories, coverages: Coverages
) -> dict[Message, tuple[list[str], list[str]]]:
    """For each message that divides the contacts: those that opted out themselves, those still sent to."""
    said = tuple(said for contact in contacts.values() for said in contact.said)
    found = {}
    for message, question in coverages.under_a_no(Contact(said=said), ()):
        verdicts = {
            ref: resolve(contact, histories.accounts_of(contact), histories.reference, question)
            for ref, contact in contacts.items()
        }
        out = [ref for ref, verdict in verdicts.items() if verdict.reason == "revoked_by_number"]
        reachable = [ref for ref, verdict in verdicts.items() if verdict.allowed]
        if out and reachable:
            found[message] = (out, reachable)
    return found
