"""What tests of the import share: a past with a policy and nothing else, a recorder, and lists in files."""

from collections.abc import Iterator
from typing import Literal

from ledger.log import Log
from ledger.people import People
from ledger.record import Recorder
from ledger.reference import References
from schemas.encoding import decode
from schemas.events import Event
from schemas.policy import Policy, Purpose

SECRET = bytes(range(32))
POLICY = Policy(
    name="default",
    version="1",
    brand="acme",
    brands=("acme", "other"),
    channels=("sms", "voice", "email"),
    purposes={"marketing": Purpose(), "marketing.offers": Purpose(), "service": Purpose()},
    effective_from=0,
)


class PlainPast:
    """One policy, no procedures, no accounts."""

    def policy(self, at: int) -> Policy:
        return POLICY

    def procedure(self, label: str, at: int) -> Literal["current", "withdrawn", "unknown"]:
        return "unknown"

    def accounts_of(self, contact: str, at: int) -> list[str]:
        return []

    def at_once(self) -> "PlainPast":
        return self


def recorder(log: Log, people: People) -> Recorder:
    """A recorder under a fixed secret."""
    return Recorder(log, people, References(SECRET), PlainPast())


def events(log: Log) -> Iterator[Event]:
    """All events of a log, partition by partition."""
    for partition in range(log.partitions):
        for recorded in log.read(partition):
            yield decode(recorded.value)
