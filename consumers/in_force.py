"""When the statements of a timeline were in force at every gateway: `Happenings` from the gateways' own receipts."""

from collections.abc import Iterator, Sequence

from consumers.confirm import WORDS, Confirmation, Receipts
from consumers.confirmation import Enforcement
from consumers.enforcing import ALWAYS, Enforcing, Register, Watched, target_of
from consumers.happenings import Happening
from ledger.log import Log, Recorded
from schemas.events import Event, PreferenceRevoked
from schemas.times import rfc3339


class InForce:
    """Tells of every revocation when the last gateway had it, and of each gateway when."""

    def __init__(self, log: Log, receipts: Receipts) -> None:
        self._log = log
        self._receipts = receipts

    def of(self, _ref: str, events: Sequence[tuple[Recorded, Event]]) -> Iterator[Happening]:
        """One for each revocation; one that is not in force everywhere yet stands where it was recorded."""
        noes = [pair for pair in events if isinstance(pair[1], PreferenceRevoked)]
        noes.sort(key=lambda pair: pair[0].recorded_at)
        watched = [
            Watched((recorded, event), target_of(self._log, recorded.position, recorded.recorded_at), ALWAYS)
            for recorded, event in noes
        ]
        if watched:
            enforcing: Enforcing[tuple[Recorded, Event]] = Enforcing(Register(self._log), self._receipts)
            for (recorded, event), found in enforcing.of(watched):
                yield _happening(recorded, event, found)


def _happening(recorded: Recorded, event: Event, found: Enforcement) -> Happening:
    at = recorded.recorded_at if found.at is None else found.at
    says = "not in force everywhere yet" if found.at is None else "in force everywhere"
    return Happening(
        at,
        "Enforced" if found.enforced else "NotEnforcedYet",
        event.event_id,
        f"{says}: the no recorded {rfc3339(recorded.recorded_at)}",
        [f"{one.name:<24} {WORDS[one.state]}{f' {rfc3339(one.at)}' if one.at else ''}" for one in found.gateways],
        Confirmation.of(recorded, event, found).as_json(),
    )
