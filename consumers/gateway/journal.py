"""Logs decisions to their topic without slowing them: a decision is put into a ring in memory, and that is all.

Another process takes it from there (`recording.py`); this module starts that process, again where it has ended.
"""

import math
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from consumers.children import with_channel
from consumers.decisions.left_over import files
from consumers.decisions.logged import packed
from consumers.gate import Decision
from consumers.gateway.ports import DecisionsOut
from consumers.gateway.recording import LAST_S, Begin, Whose, leave_rest, main
from consumers.gateway.ring import LOGGED, LOST, REFUSED, Ring
from ledger.reference import References

SIZE = 32 << 20
"""Bytes of decisions that may wait, some 100,000; a broker that is away for longer than it takes to fill this costs
decisions. As long as the broker keeps up, a megabyte of it is used."""
LOOK_S = 0.05
RETRY_S = 0.5
STOP_S = LAST_S + 5.0


class Journal:
    """Safe to use from several threads."""

    def __init__(
        self, connect: Callable[[], DecisionsOut], references: References, gateway: str, process: str, shadow: bool,
        report: Callable[[str], None], left_over: Path | None = None, size: int = SIZE,
    ) -> None:  # fmt: skip
        """`left_over`: beside which file to leave what cannot be logged at the end, and what was left there before.

        `connect` goes to the other process: it must be able to be pickled.
        """
        self._connect, self._report = connect, report
        self._whose = Whose(references, gateway, process, shadow, left_over)
        self._ring = Ring(size)
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="gateway-journal", daemon=True)

    def start(self) -> None:
        """Returns at once; what is put before is logged as well."""
        self._thread.start()

    def put(self, decision: Decision, rechecks: str | None = None) -> None:
        """Takes a decision to be logged; drops it, and counts that, where too many wait.

        `rechecks`: the id of the decision that it takes the place of.
        """
        self._ring.put(packed(decision, rechecks))

    @property
    def pid(self) -> int | None:
        """Of the process that logs; None where there was nothing to log yet."""
        return self._child.pid if self._child else None

    def facts(self) -> dict[str, float]:
        """What is counted, by the names of `metrics.py`."""
        counts = self._ring.counts
        return {"decisions_logged": counts[LOGGED], "decisions_dropped": counts[REFUSED] + counts[LOST]}

    def stop(self) -> None:
        """Returns once what waits is logged, or, where the broker is away, left for the next process. Repeatable."""
        self._stopping.set()
        if self._thread.ident is None:
            self._end()
        else:
            self._thread.join(STOP_S + RETRY_S)

    # --- the thread

    def _keep(self) -> None:
        is_needed = self._has_left_over()
        while not self._stopping.is_set():
            if is_needed or not self._ring.is_empty:
                is_needed = False
                self._run()
            self._stopping.wait(LOOK_S)
        if not self._ring.is_empty:
            self._run()
        self._end()

    def _has_left_over(self) -> bool:
        where = self._whose.left_over
        with suppress(OSError):
            return where is not None and bool(files(where))
        return False

    def _end(self) -> None:
        self._ring.close()
        leave_rest(self._ring, self._whose, self._report)

    def _run(self) -> None:
        """One process, from its start to its end; it is started when there is something to log."""
        try:
            channel, self._child = with_channel(main, [self._ring.descriptor])
        except OSError as error:
            self._report(f"the process that logs decisions cannot be started: {error}")
            self._stopping.wait(RETRY_S)
            return
        try:
            with closing(channel), suppress(EOFError, OSError):
                channel.send(Begin(self._connect, self._whose, self._ring.descriptor, self._ring.size))
                self._listen(channel)
        except Exception as error:  # whatever it is: the decisions stay where they are, and it is tried again
            self._report(f"the process that logs decisions: {error!r}")
        finally:
            self._child.kill()
            self._child.wait()
        if not self._stopping.wait(RETRY_S):
            self._report("the process that logs decisions has ended; another one is started with the next decision")

    def _listen(self, channel: Connection) -> None:
        """Reports what the other process says until it has ended, or has had time enough to."""
        until = math.inf
        while time.monotonic() < until:
            if math.isinf(until) and self._stopping.is_set():
                until = time.monotonic() + STOP_S
                with socket.socket(fileno=os.dup(channel.fileno())) as end:
                    end.shutdown(socket.SHUT_WR)
            if channel.poll(LOOK_S):
                self._report(channel.recv())
