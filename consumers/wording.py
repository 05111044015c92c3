"""How scopes, people and events read: the words of the command line and the demo."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from ledger.people import Identity, People
from projections.history import ScopeKey
from schemas.events import (
    ContactLinked,
    ContactUnlinked,
    Event,
    FollowUpOpened,
    PolicyPublished,
    PreferenceGranted,
    PreferenceRevoked,
    ProcedureEvent,
    StatementCorrected,
    TrafficHalted,
    TrafficResumed,
)
from schemas.scope import EVERYTHING, Scope
from schemas.subject import Subject

NAMED = {"number", "email", "account"}

REASONS = {
    "granted": "they said yes",
    "permitted_by_policy": "nobody said anything, and the policy permits it then",
    "never_needs_consent": "this purpose never needs consent",
    "halted": "the stop switch is on",
    "stale": "the gate's copy is older than the policy allows",
    "revoked_by_number": "they opted out themselves",
    "revoked_by_account": "an account they belong to, or belonged to, opted out",
    "held_for_review": "a person has to look at something first",
    "consent_expired": "their yes has run out",
    "no_consent": "nobody said yes",
    "sender_unreachable": "the sender is not verified, suspended, or takes no reply",
}


@lru_cache(4_096)  # a long list is about few scopes
def scope_in_words(scope: ScopeKey) -> str:
    """`everything`, or what is not everything of brand, channel and purpose."""
    brand, channel, purpose = scope
    parts = [
        "" if purpose == EVERYTHING else purpose,
        "" if channel == EVERYTHING else f"by {channel}",
        "" if brand == EVERYTHING else f"from {brand}",
    ]
    return " ".join(filter(None, parts)) or "everything"


def subject_of(identity: Identity) -> Subject | None:
    """The subject behind an identity; None for an agent or a person who is no subject."""
    return Subject(identity.kind, identity.id) if identity.kind in NAMED else None  # type: ignore[arg-type]


def masked(people: People, refs: Iterable[str]) -> Mapping[str, str]:
    """How each reference may be shown: numbers and addresses masked, accounts in full, the erased by reference."""
    shown = {}
    for ref, identity in people.identities(refs).items():
        subject = subject_of(identity)
        shown[ref] = subject.masked if subject else f"{identity.kind}:{identity.id}"
    return _OrRef(shown)


class _OrRef(dict[str, str]):
    def __missing__(self, ref: str) -> str:
        return f"{ref[:8]}…" if len(ref) == 32 else ref


def event_in_words(event: Event, names: Mapping[str, str]) -> str:
    """What an event says, without who or when."""
    match event:
        case PreferenceRevoked(scope=scope):
            return f"said no to {_scope(scope)}"
        case PreferenceGranted(scope=scope, basis=basis):
            return f"said yes to {_scope(scope)} ({basis})"
        case ContactLinked(account=account, reason=reason):
            return f"joined {names[account]} ({reason})"
        case ContactUnlinked(account=account, reason=reason):
            return f"left {names[account]} ({reason})"
    return f"{_spaced(event.type)}{_detail(event)}"


def _detail(event: Event) -> str:
    match event:
        case StatementCorrected(corrects=corrects):
            return f": {corrects} was wrong"
        case FollowUpOpened(reason=reason, holds=holds):
            return f": {reason}{', traffic held' if holds else ''}"
        case ProcedureEvent(procedure=procedure):
            return f": {procedure}"
        case PolicyPublished(policy=policy):
            return f": {policy.label}"
        case TrafficHalted(scope=scope) | TrafficResumed(scope=scope):
            return f": {_scope(scope)}"
    return ""


def _scope(scope: Scope) -> str:
    return scope_in_words((scope.brand, scope.channel, scope.purpose))


def _spaced(type_name: str) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type_name)
    return words.strip()
