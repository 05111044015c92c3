"""A whole ledger in memory, by its door: recorder, log, people and past, and a clock that is wound by hand."""

from dataclasses import dataclass, field

from ledger.adapters.memory_log import MemoryLog
from ledger.adapters.memory_people import MemoryPeople
from ledger.log import Log, Recorded
from ledger.past import Past
from ledger.people import People
from ledger.record import Receipt, Recorder
from ledger.reference import References
from ledger.requests import Amend, Grant, Link, Operate, Origin, Request, Revoke
from projections.log_view import LogView
from projections.past import PastOfView
from schemas.decision import Verdict
from schemas.encoding import decode
from schemas.events import OPERATOR_POLICY, OPERATOR_PROCEDURES, Event, FollowUpOpened
from schemas.subject import Subject
from schemas.times import DAY
from tests.projections.folding import asked
from tests.reference_model import Message

SECRET = bytes(range(32))
START = 1_790_000_000_000
NUMBER = Subject("number", "+14165550123")
SISTER = Subject("number", "+14165550124")
ADDRESS = Subject("email", "jean@example.org")
ACCOUNT = Subject("account", "ACC-77")
OTHER_ACCOUNT = Subject("account", "ACC-78")
PERSON = Origin(actor="person", source="sms")
AGENT = Origin(actor="agent:amelie", source="console", procedure="opt-out@2")
IMPORT = Origin(actor="import:crm", source="crm", follow_up_each=False)
POLICY = {
    **{"name": "door", "version": "1", "brand": "acme", "brands": ["acme", "other"], "effective_from": 0},
    "channels": ["sms", "email"],
    "purposes": {"marketing": {"regime": "opt_in"}, "marketing.offers": {}, "service": {"regime": "opt_out"}},
}


@dataclass
class Door:
    """A ledger with a policy, and with the procedure `opt-out` in its versions 1 (withdrawn) and 2."""

    partitions: int = 1
    people: People = field(default_factory=MemoryPeople)
    past: Past | None = None
    now: int = START

    def __post_init__(self) -> None:
        """Publishes what the operator has to, and lets a day go by."""
        self.references = References(SECRET)
        self.log: Log = MemoryLog(self.partitions, clock=self.clock)
        known = PastOfView(lambda: LogView(self.log))
        recorder = Recorder(self.log, MemoryPeople(), self.references, known, self.clock)
        recorder.record(operate("PolicyPublished", OPERATOR_POLICY, policy=POLICY))
        recorder.record(operate("ProcedurePublished", OPERATOR_PROCEDURES, procedure="opt-out@1"))
        recorder.record(operate("ProcedurePublished", OPERATOR_PROCEDURES, procedure="opt-out@2"))
        self.pass_time()
        recorder.record(operate("ProcedureWithdrawn", OPERATOR_PROCEDURES, procedure="opt-out@1"))
        self.pass_time(DAY)
        self.recorder = Recorder(self.log, self.people, self.references, self.past or known, self.clock)

    def clock(self) -> int:
        """Now."""
        return self.now

    def pass_time(self, step: int = 1_000) -> None:
        """Winds the clock."""
        self.now += step

    def record(self, request: Request | Amend | Operate) -> Receipt:
        """Records a request a second after the last."""
        self.pass_time()
        return self.recorder.record(request)

    def event(self, event_id: str) -> Event:
        """The event of an id, which must be there."""
        found = self.log.find(event_id)
        assert found is not None
        return decode(found.value)

    def stored(self) -> list[Recorded]:
        """Everything in the log."""
        return [recorded for partition in range(self.partitions) for recorded in self.log.read(partition)]

    def said_of(self, subject: Subject) -> list[Event]:
        """The events of a contact or an account."""
        return [decode(recorded.value) for recorded in self.log.read_subject(self.references.of_subject(subject))]

    def follow_ups(self, receipt: Receipt) -> list[str]:
        """The reasons of the follow-ups that a request opened, each about an event that the request made."""
        events = [self.event(event_id) for event_id in receipt.follow_ups]
        assert {event.causation_id for event in events} <= {receipt.event_id, *receipt.also}
        return [event.reason for event in events if isinstance(event, FollowUpOpened)]

    def ask(
        self, subject: Subject = NUMBER, purpose: str = "marketing.offers", channel: str = "sms", brand: str = "acme"
    ) -> Verdict:
        """May a message go out now?"""
        ref = self.references.of_subject(subject)
        return asked(LogView(self.log), Message(ref, channel, purpose, brand, "CA", None, self.now))


def operate(type_: str, subject: str, **details: object) -> Operate:
    """Something of the operator's."""
    return Operate(type=type_, subject=subject, details=details)


def grant(subject: Subject = NUMBER, **said: object) -> Grant:
    """A yes to marketing of the brand, on all channels."""
    usual = {"brand": "acme", "channel": "*", "purpose": "marketing", "basis": "express", "origin": PERSON}
    return Grant(subject=subject, **(usual | said))  # type: ignore[arg-type]


def revoke(subject: Subject = NUMBER, **said: object) -> Revoke:
    """A no to everything."""
    return Revoke(subject=subject, **({"origin": PERSON} | said))  # type: ignore[arg-type]


def link(subject: Subject = NUMBER, account: Subject = ACCOUNT, **said: object) -> Link:
    """The contact joins the account."""
    return Link(subject=subject, account=account, **said)  # type: ignore[arg-type]


def correct(event_id: str, **said: object) -> Amend:
    """The event was wrong."""
    return Amend(type="StatementCorrected", event_id=event_id, **said)  # type: ignore[arg-type]
