"""One valid example of everything that crosses a process boundary, always the same: what tests begin with."""

from typing import Any

from ledger.log import Entry, Position, Recorded
from ledger.people import Identity, Words
from ledger.reference import References
from ledger.requests import Origin
from ledger.stamp import finished
from projections.log_view import folded
from schemas.decision import Verdict
from schemas.encoding import encode
from schemas.events import EVENT_TYPES, Event
from schemas.policy import DefaultReach, Policy, Purpose, RegimeRule
from schemas.scope import Scope
from schemas.subject import Subject

SECRET = bytes(range(32))
REFERENCES = References(SECRET)
NOW = 1_790_000_000_000
NUMBER = Subject("number", "+14165551201")
ADDRESS = Subject("email", "jean@example.org")
ACCOUNT = Subject("account", "ACC-77")
NUMBER_REF, ADDRESS_REF, ACCOUNT_REF = map(REFERENCES.of_subject, (NUMBER, ADDRESS, ACCOUNT))
AGENT_REF = REFERENCES.of("agent", "amelie")
ORIGIN = Origin(actor="agent:amelie", source="console", procedure="opt-out@2", language="fr-CA", jurisdiction="CA")
SCOPE = Scope(brand="acme", channel="sms", purpose="marketing.offers")
POLICY = Policy(
    name="control",
    version="2026-11",
    brand="acme",
    brands=("acme", "acme-mobile"),
    channels=("sms", "voice", "email"),
    purposes={
        "marketing": Purpose(regime="opt_in", max_staleness_s=30),
        "marketing.offers": Purpose(),
        "survey": Purpose(regime=(RegimeRule(jurisdiction="CA", channel="sms", regime="opt_out"),)),
        "service": Purpose(regime="opt_out", max_staleness_s=300.5),
        "emergency": Purpose(never_needs_consent=True, exempt_from_sender_check=True),
    },
    max_age_days={"implied": 730, "contract": 1},
    reach=DefaultReach(agent="account", person="contact"),
    effective_from=NOW,
)


def event_id(number: int) -> str:
    """A UUIDv7 that is the same in every run."""
    return f"0199a0a8-3c00-7000-8000-{number:012x}"


_FOLLOW_UP, _PROCESS = event_id(8), event_id(99)
_PERSON = {"number": NUMBER_REF, "email": ADDRESS_REF, "account": ACCOUNT_REF}
_SAID: dict[str, tuple[str, dict[str, Any]]] = {
    "PreferenceGranted": ("number", {"scope": SCOPE, "basis": "express", "valid_until": NOW + 86_400_000}),
    "PreferenceRevoked": ("account", {"scope": Scope(), "flags": ["widened_purpose", "clamped_time"]}),
    "StatementCorrected": ("number", {"corrects": event_id(1), "reason": "wrong-number"}),
    "SubjectErased": ("email", {}),
    "ContactLinked": ("email", {"account": ACCOUNT_REF, "reason": "added"}),
    "ContactUnlinked": ("number", {"account": ACCOUNT_REF, "reason": "ported"}),
    "NumberReassigned": ("number", {}),
    "FollowUpOpened": ("account", {"reason": "unclear", "holds": True, "due_at": NOW + 1, "causation_id": event_id(2)}),
    "FollowUpAssigned": ("account", {"follow_up": _FOLLOW_UP, "assignee": AGENT_REF}),
    "FollowUpResolved": ("account", {"follow_up": _FOLLOW_UP, "resolution": "done"}),
    "LedgerOpened": ("ledger", {"ledger_id": event_id(0), "secret_fingerprint": REFERENCES.fingerprint}),
    "PolicyPublished": ("policy", {"policy": POLICY}),
    "ProcedurePublished": ("procedures", {"procedure": "opt-out@2"}),
    "ProcedureWithdrawn": ("procedures", {"procedure": "opt-out@1"}),
    "ProcedureAcknowledged": ("procedures", {"procedure": "opt-out@2", "agent": AGENT_REF}),
    "SenderRegistered": ("senders", {"sender": "12345", "brand": "acme", "takes_replies": True}),
    "SenderVerified": ("senders", {"sender": "12345"}),
    "SenderSuspended": ("senders", {"sender": "Acmé", "reason": "spoofed"}),
    "TrafficHalted": ("traffic", {"scope": Scope(purpose="marketing")}),
    "TrafficResumed": ("traffic", {"scope": Scope(purpose="marketing")}),
    "GatewayRegistered": ("gateways", {"gateway": "sms-1", "process": _PROCESS}),
    "GatewayRetired": ("gateways", {"gateway": "sms-1", "process": _PROCESS}),
}
_EVERYTHING: dict[str, Any] = {
    "evidence": {"commitment": "5e" * 32, "language": "fr-CA", "kind": "text"},
    "jurisdiction": "CA",
    "correlation_id": event_id(1_000),
}


def event(type_: str, **said: object) -> Event:
    """The example of a type, as the recorder would have stamped it; `said` instead of what it says otherwise."""
    about, fields = _SAID[type_]
    kind = about if about in _PERSON else "operator"
    number = list(_SAID).index(type_) + 1
    envelope = {
        **{"type": type_, "kind": kind, "subject": _PERSON.get(about, f"operator:{about}")},
        **{"event_id": event_id(number), "occurred_at": NOW - 1_000, "received_at": NOW},
        **{"actor": f"agent:{AGENT_REF}", "capture": {"source": "console", "procedure": "opt-out@2"}},
        "idempotency_key": REFERENCES.of("key", f"{about}/{number}"),
    }
    return finished(envelope | _EVERYTHING | fields | said)


EVENTS: dict[str, Event] = {type_: event(type_) for type_ in EVENT_TYPES}
"""One of every type, with everything that it can carry."""
BARE: dict[str, Event] = {
    type_: event(type_, evidence=None, jurisdiction=None, correlation_id=None, causation_id=None, flags=None)
    for type_ in EVENT_TYPES
}
"""One of every type, with nothing that it need not carry."""


def recorded(what: Event, offset: int = 0) -> Recorded:
    """An event as a log holds it."""
    return Recorded(Position(0, offset), NOW + 1 + offset, what.subject, encode(what))


def state(*events: Event) -> list[dict[str, Any]]:
    """The parts that events of one subject fold to, as they are read."""
    return folded(recorded(one, offset) for offset, one in enumerate(events))


REVOKED = EVENTS["PreferenceRevoked"]
ENTRY = Entry(REVOKED.subject, encode(REVOKED), REVOKED.event_id, REVOKED.idempotency_key, REVOKED.content)
IDENTITY = Identity(NUMBER_REF, NUMBER.kind, NUMBER.id)
WORDS = Words(ACCOUNT_REF, REVOKED.event_id, bytes(16), "Plus de promotions, s'il vous plaît.")
VERDICT = Verdict("revoked_by_account", POLICY.label, (REVOKED.event_id,))
