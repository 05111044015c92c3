"""Logs decisions to their topic without slowing them: a decision is put into a bounded queue, and that is all."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from itertools import islice, starmap
from pathlib import Path

from consumers.decisions.left_over import leave, left
from consumers.decisions.logged import logged
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
        report: Callable[[str], None], most: int = MOST, left_over: Path | None = None,
    ) -> None:  # fmt: skip
        """`left_over`: where to leave what cannot be logged at the end, and what an earlier process left there."""
        self._connect, self._references, self._report, self._most = connect, references, report, most
        self._gateway, self._process, self._shadow = gateway, process, shadow
        self._left_over = left_over
        self._waiting: deque[tuple[Decision, str | None]] = deque()
        self._stopping = threading.Event()
        self.logged = 0
        self.dropped = 0

    def put(self, decision: Decision, rechecks: str | None = None) -> None:
        """Takes a decision to be logged; drops it, and counts that, where too many wait.

        `rechecks`: the id of the decision that it takes the place of.
        """
        if len(self._waiting) < self._most:
            self._waiting.append((decision, rechecks))
        else:
            self.dropped += 1

    def facts(self) -> dict[str, float]:
        """What is counted, by the names of `metrics.py`."""
        return {"decisions_logged": self.logged, "decisions_dropped": self.dropped}

    def stop(self) -> None:
        """What waits is written, if the broker is there, and `run` returns."""
        self._stopping.set()

    def run(self) -> None:
        """Until it is stopped and nothing waits; what waits while the broker is away then is left for the next."""
        while True:
            try:
                with closing(self._connect()) as out:
                    self._send_left_over(out)
                    self._write_all(out)
                    return
            except UnavailableError as error:
                self._report(str(error))
                if self._stopping.wait(RETRY_S):
                    self._leave()
                    return

    def _send_left_over(self, out: DecisionsOut) -> None:
        if self._left_over is None:
            return
        try:
            found = left(self._left_over)
            for start in range(0, len(found), BATCH):
                out.send(found[start : start + BATCH])
            self.logged += len(found)
            # Only now: a crash before it logs some of them again, under their ids.
            self._left_over.unlink(missing_ok=True)
        except OSError as error:  # what is decided now is logged all the same
            self._report(f"decisions of an earlier process stay in {self._left_over}: {error}")

    def _leave(self) -> None:
        waiting = len(self._waiting)
        if not waiting:
            return
        try:
            if self._left_over is None:
                raise OSError("there is no file to leave them in")
            leave(self._left_over, starmap(self._logged, self._waiting))
        except OSError as error:
            self.dropped += waiting
            self._report(f"{waiting:,} decisions are lost: the broker is away, and {error}")
        else:
            self._report(f"{waiting:,} decisions wait in {self._left_over} for the next process with this snapshot")

    def _write_all(self, out: DecisionsOut) -> None:
        while True:
            is_last = self._stopping.is_set()
            while batch := list(islice(self._waiting, BATCH)):
                out.send(list(starmap(self._logged, batch)))
                for _ in batch:  # only now: what was not acknowledged is sent again
                    self._waiting.popleft()
                self.logged += len(batch)
            if is_last:
                return
            self._stopping.wait(EVERY_S)

    def _logged(self, decision: Decision, rechecks: str | None) -> LoggedDecision:
        return logged(decision, self._references, self._gateway, self._process, self._shadow, rechecks)
