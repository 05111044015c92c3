"""Who else is affected by a change under an outdated procedure: the last line of the finding of 2014.

Staff opted one number out as an outdated procedure had it; the other numbers of the account went on being texted. So
for every such opt-out the other contacts of its accounts are looked at: is what was refused for the one refused for
them as well by now, and since when?
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from consumers.gaps import REVOKED, Coverages, Message
from consumers.procedures import Misstep
from projections.history import Contact, ScopeKey
from projections.membership import linked_during
from projections.resolve import resolve
from projections.view import Histories
from schemas.events import PreferenceGranted, PreferenceRevoked

State = Literal["set_right", "reachable", "silent"]


class Standing(NamedTuple):
    """How a contact stands to a scope: a no of it everywhere, something of it may still go out, or neither.

    `set_right_at`: since when all of it is refused, by when that was recorded (milliseconds).
    """

    state: State
    reachable: tuple[Message, ...]
    set_right_at: int | None
    evidence: tuple[str, ...]


class Affected(NamedTuple):
    """A contact of an account of which another was opted out under an outdated procedure; all by reference.

    `because`: the ids of the opt-outs. `account` is None for the contact that was itself opted out.
    """

    contact: str
    account: str | None
    procedure: str | None
    because: tuple[str, ...]
    standing: Standing


class Looking:
    """Looks contacts up, each once."""

    def __init__(self, histories: Histories, at: int) -> None:
        self._histories = histories
        self._at = at
        self._coverages = Coverages(histories.reference.policy(at), at)
        self._contacts: dict[str, Contact] = {}

    def contact(self, ref: str) -> Contact:
        """What stands of a contact."""
        if ref not in self._contacts:
            self._contacts[ref] = self._histories.contact(ref)
        return self._contacts[ref]

    def standing(self, ref: str, scope: ScopeKey) -> Standing:
        """How a contact stands now to what a scope covers."""
        contact = self.contact(ref)
        accounts = self._histories.accounts_of(contact)
        said = [*contact.said, *(one for account in accounts.values() for one in account.said)]
        recorded = {one.event_id: one.at.recorded for one in said}
        reachable, since, evidence = [], [], dict[str, None]()
        is_refused = True
        for message, question in self._coverages.questions.items():
            if not question.coverage[scope]:
                continue
            verdict = resolve(contact, accounts, self._histories.reference, question)
            if verdict.allowed:
                reachable.append(message)
            is_refused = is_refused and verdict.reason in REVOKED
            if verdict.reason in REVOKED:
                since.append(min(recorded[event_id] for event_id in verdict.evidence))
                evidence.update(dict.fromkeys(verdict.evidence))
        state: State = "reachable" if reachable else "set_right" if is_refused and since else "silent"
        return Standing(state, tuple(reachable), max(since) if state == "set_right" else None, tuple(evidence))

    def members(self, account: str, ever: Iterable[str], since: int) -> list[str]:
        """Those of the contacts that were in an account at any time since a moment."""
        return sorted(
            ref
            for ref in ever
            for name, spells in self.contact(ref).accounts
            if name == account and linked_during(spells, since, self._at)
        )

    def accounts(self, ref: str, since: int) -> list[str]:
        """The accounts in which a contact was at any time since a moment."""
        return [name for name, spells in self.contact(ref).accounts if linked_during(spells, since, self._at)]


def affected(missteps: Iterable[Misstep], members: Mapping[str, set[str]], looking: Looking) -> Iterator[Affected]:
    """The contacts of every account concerned but those that were themselves opted out so, in the order of the log."""
    steps = [step for step in missteps if isinstance(step.event, PreferenceRevoked)]
    themselves = {(step.event.subject, _scope(step), step.procedure) for step in steps}
    found: dict[tuple[str, str, ScopeKey, str | None], list[str]] = {}
    for step in steps:
        since = min(step.event.occurred_at, step.recorded.recorded_at)
        whose = [step.event.subject] if step.event.kind == "account" else looking.accounts(step.event.subject, since)
        for account in whose:
            for ref in looking.members(account, members.get(account, ()), since):
                if (ref, _scope(step), step.procedure) not in themselves:
                    found.setdefault((ref, account, _scope(step), step.procedure), []).append(step.event.event_id)
    for (ref, account, scope, procedure), because in found.items():
        yield Affected(ref, account, procedure, tuple(because), looking.standing(ref, scope))


def of_its_own(step: Misstep, looking: Looking) -> Standing | None:
    """How the contact that was changed stands now to what was said; None for what is no statement of a contact."""
    if step.event.kind == "account" or not isinstance(step.event, PreferenceRevoked | PreferenceGranted):
        return None
    return looking.standing(step.event.subject, _scope(step))


def _scope(step: Misstep) -> ScopeKey:
    event = step.event
    assert isinstance(event, PreferenceRevoked | PreferenceGranted)
    return event.scope.brand, event.scope.channel, event.scope.purpose
