"""Logs decisions to their topic without slowing them: a decision is put into a bounded queue, and that is all."""

import math
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from typing import Any

from consumers.gate import Decision
from consumers.gateway.ports import DecisionsOut
from ledger.errors import UnavailableError
from ledger.reference import References
from schemas.distributed import LoggedDecision

MOST = 100_000
"""Decisions that may wait, some 100 MB; a broker that is away longer than it takes to fill this costs decisions."""
BATCH = 500
EVERY_S = 0.05
RETRY_S = 0.5
LAST_S = 10.0


class Journal:
    """Of one thread, but for `put` and `stop`."""

    def __init__(
        self, connect: Callable[[], DecisionsOut], references: References, gateway: str, process: str, shadow: bool,
        report: Callable[[str], None], most: int = MOST,
    ) -> None:  # fmt: skip
        self._connect, self._references, self._report, self._most = connect, references, report, most
        self._said: dict[str, Any] = {"gateway": gateway, "process": process, "shadow": shadow}
        self._waiting: deque[Decision] = deque()
        self._stopping = threading.Event()
        self.logged = 0
        self.dropped = 0

    def put(self, decision: Decision) -> None:
        """Takes a decision to be logged; drops it, and counts that, where too many wait."""
        if len(self._waiting) < self._most:
            self._waiting.append(decision)
        else:
            self.dropped += 1

    def facts(self) -> dict[str, float]:
        """What is counted, by the names of `metrics.py`."""
        return {"decisions_logged": self.logged, "decisions_dropped": self.dropped}

    def stop(self) -> None:
        """What waits is written, if the broker is there, and `run` returns."""
        self._stopping.set()

    def run(self) -> None:
        """Until it is stopped and nothing waits, or the broker is away then."""
        while True:
            try:
                with closing(self._connect()) as out:
                    self._write_all(out)
                    return
            except UnavailableError as error:
                self._report(str(error))
                if self._stopping.wait(RETRY_S):
                    self.dropped += len(self._waiting)
                    return

    def _write_all(self, out: DecisionsOut) -> None:
        while True:
            is_last = self._stopping.is_set()
            while batch := list(islice(self._waiting, BATCH)):
                out.send([self._logged(decision) for decision in batch])
                for _ in batch:  # only now: what was not acknowledged is sent again
                    self._waiting.popleft()
                self.logged += len(batch)
            if is_last:
                return
            self._stopping.wait(EVERY_S)

    def _logged(self, decision: Decision) -> LoggedDecision:
        staleness = decision.staleness_s
        return LoggedDecision.model_construct(
            decision_id=decision.decision_id, kind=decision.kind, channel=decision.channel, purpose=decision.purpose,
            subject=self._references.of(decision.kind, decision.contact), brand=decision.brand, sender=decision.sender,
            jurisdiction=decision.jurisdiction, at=decision.at, allowed=decision.verdict.allowed,
            reason=decision.reason, rule=decision.rule, policy=decision.policy, evidence=decision.evidence,
            watermark=dict(decision.watermark),
            staleness_ms=int(staleness * 1000) if math.isfinite(staleness) else None, **self._said,
        )  # fmt: skip
