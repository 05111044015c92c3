"""A gate over a handful of facts, and the facts: what the gate's, the replica's and the scrub's tests begin with."""

from collections.abc import Iterable
from itertools import count

from ledger.log import Position
from ledger.reference import References
from projections.adapters.memory_view import MemoryView
from schemas.events import OPERATOR_POLICY, OPERATOR_TRAFFIC
from schemas.policy import Policy, Purpose, RegimeRule
from schemas.scope import Scope
from tests.histories import make_event
from tests.projections.folding import view_of
from tests.reference_model import Fact

REFERENCES = References(bytes(range(32)))
NOW = 1_790_000_000_000
NUMBER = "+14165550123"
OTHER = "+33612345678"
MAIL = "jean@example.org"
POLICY = Policy(
    name="default",
    version="1",
    brand="acme",
    brands=("acme", "other"),
    channels=("sms", "voice", "email"),
    purposes={
        "marketing": Purpose(regime="opt_in"),
        "marketing.offers": Purpose(),
        "service": Purpose(regime="opt_out"),
        "service.codes": Purpose(never_needs_consent=True),
        "survey": Purpose(regime=(RegimeRule(jurisdiction="CA", regime="opt_out"), RegimeRule(regime="opt_in"))),
    },
    max_age_days={"implied": 730},
    effective_from=0,
)


class Facts:
    """Writes facts in one partition, a second apart."""

    def __init__(self, policy: Policy | None = POLICY) -> None:
        self.facts: list[Fact] = []
        self._ids = count(1)
        if policy is not None:
            self._add("PolicyPublished", "operator", OPERATOR_POLICY, {"policy": policy})

    def says(self, type_: str, kind: str, id_: str, **said: object) -> str:
        """An event about a person's contact or account; the answer is its id."""
        if "account" in said:
            said["account"] = REFERENCES.of("account", str(said["account"]))
        if type_ in ("PreferenceRevoked", "PreferenceGranted"):
            said.setdefault("scope", Scope())
        if type_ == "PreferenceGranted":
            said.setdefault("basis", "express")
        return self._add(type_, kind, REFERENCES.of(kind, id_), said)

    def halts(self, **scope: str) -> str:
        """The stop switch is thrown."""
        return self._add("TrafficHalted", "operator", OPERATOR_TRAFFIC, {"scope": Scope(**scope)})

    def _add(self, type_: str, kind: str, subject: str, said: dict[str, object]) -> str:
        number = next(self._ids)
        at = NOW - 1_000_000 + number * 1_000
        envelope = {
            "kind": kind,
            "subject": subject,
            "event_id": f"{at:012x}"[:8] + "-" + f"{at:012x}"[8:] + f"-7000-8000-{number:012x}",
            "occurred_at": at,
            "idempotency_key": f"{number:032x}",
        }
        event = make_event(type_, **(envelope | said))
        self.facts.append(Fact(Position(0, len(self.facts)), at, event))
        return event.event_id

    def view(self) -> MemoryView:
        """What they fold to."""
        return view_of(self.facts)


def digest(kind: str, id_: str) -> bytes:
    """The reference of a person's contact or account."""
    return REFERENCES.digest(kind, id_)


def view_with(*said: tuple[str, str, str, dict[str, object]]) -> MemoryView:
    """The view of some facts under the usual policy."""
    return told(said).view()


def told(said: Iterable[tuple[str, str, str, dict[str, object]]]) -> Facts:
    """Facts under the usual policy."""
    facts = Facts()
    for type_, kind, id_, fields in said:
        facts.says(type_, kind, id_, **fields)
    return facts
