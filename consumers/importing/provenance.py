"""What the events of one import have in common, and the follow-ups that its flaws open: one a flag, not one a row."""

import time
import uuid
from collections.abc import Sequence
from typing import Final

from consumers.importing.options import Options
from ledger.record import Recorder
from ledger.requests import Operate, Origin
from ledger.stamp import Draft
from schemas.envelope import Flag
from schemas.errors import InputError
from schemas.events import OPERATOR_INBOX

UUID7: Final = 7 << 76 | 0b10 << 62


def origin(digest: str, options: Options) -> Origin:
    """Who speaks: the list, under the code of its source.

    Not the file: a dated statement is the same in next month's edition, and an actor is part of what is said. The
    file is named by the correlation id, which differs between runs and is no part of it.
    """
    source = options.defaults.get("source")
    return Origin(
        actor=f"import:{source or 'file'}",
        source=source or "import",
        correlation_id=correlation_id(digest, time.time_ns() // 1_000_000),
        follow_up_each=False,
    )


def correlation_id(digest: str, now: int) -> str:
    """A UUIDv7 whose random part is the beginning of the file's digest: who has the file finds its events."""
    bits = int(digest, 16) >> (256 - 74)
    return str(uuid.UUID(int=now << 80 | (bits >> 62) << 64 | (bits & (1 << 62) - 1) | UUID7))


class FlagFollowUps:
    """One follow-up in the operator's inbox for each kind of flag in a file, stored together with its first row."""

    def __init__(self, recorder: Recorder, digest: str, shared: Origin) -> None:
        self._recorder = recorder
        self._digest = digest
        self._origin = shared
        self._opened: set[Flag] = set()

    def opened_by(self, drafts: Sequence[Draft | InputError]) -> list[Draft | InputError]:
        """Drafts of the follow-ups that these rows open, to be stored in one step with them."""
        flags = {flag for draft in drafts if isinstance(draft, Draft) for flag in draft.flags}
        new = sorted(flags - self._opened)
        self._opened |= flags
        return self._recorder.drafts([self._request(flag) for flag in new])

    def _request(self, flag: Flag) -> Operate:
        return Operate(
            type="FollowUpOpened",
            subject=OPERATOR_INBOX,
            details={"reason": flag, "holds": False},
            origin=self._origin,
            idempotency_key=f"import/{self._digest}/{flag}",
        )
