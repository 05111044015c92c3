"""Puts on record what a gateway decides, in a process of its own.

Making a record and sending it costs several times what the decision did, and while Python does that it answers nobody.
So the process that decides puts the facts into a ring (`ring.py`), and this one takes them from there. It outlives the
other one, however that ends, for as long as it takes to log what is in the ring. `journal.py` starts it.
"""

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from consumers.decisions.left_over import files, leave, left
from consumers.decisions.logged import on_record, unpacked
from consumers.gateway.ports import DecisionsOut
from consumers.gateway.ring import LOGGED, LOST, Ring
from ledger.errors import LedgerError
from ledger.reference import References
from schemas.distributed import LoggedDecision

BATCH = 500
REST_S = 0.02
"""How long it waits where nothing is new: what comes meanwhile is sent in one piece."""
RETRY_S = 0.5
LOOK_S = 60.0
"""How often it looks whether a process that was killed has left something since."""
LESS_URGENT = 5
"""By how much: where processors are short, an answer is not to wait for the record of another."""
LAST_S = 5.0
"""For how long it goes on trying once the gateway has ended: a broker that was only slow is not away."""


class Whose(NamedTuple):
    """What stands in each record of one process, and where what cannot be logged at the end is left, if anywhere."""

    references: References
    gateway: str
    process: str
    shadow: bool
    left_over: Path | None

    def beside(self) -> Path:
        """`left_over`. Raises FileNotFoundError where there is none."""
        if self.left_over is None:
            raise FileNotFoundError("there is no file to leave them in")
        return self.left_over

    def record(self, facts: bytes) -> LoggedDecision:
        """What is logged."""
        return on_record(unpacked(facts), self.references, self.gateway, self.process, self.shadow)


class Begin(NamedTuple):
    """What this process is told first."""

    connect: Callable[[], DecisionsOut]
    whose: Whose
    descriptor: int
    size: int


class Recorder:
    """Empties a ring into the log. Of one thread."""

    def __init__(
        self, ring: Ring, connect: Callable[[], DecisionsOut], whose: Whose, report: Callable[[str], None],
        ended: threading.Event,
    ) -> None:  # fmt: skip
        """`ended` is set once the gateway has ended and puts no more into the ring."""
        self._ring, self._connect, self._whose, self._report, self._ended = ring, connect, whose, report, ended

    def run(self) -> None:
        """Until the gateway has ended and its ring is empty; what cannot be logged soon after that is left."""
        until = None
        while True:
            try:
                with closing(self._connect()) as out:
                    self._send_left_over(out)
                    self._send_all(out)
                    return
            except LedgerError as error:  # away, or its topic is missing as yet
                self._report(str(error))
            if self._ended.wait(RETRY_S):
                until = until or time.monotonic() + LAST_S
                if time.monotonic() >= until:
                    leave_rest(self._ring, self._whose, self._report)
                    return
                time.sleep(RETRY_S)

    def _send_all(self, out: DecisionsOut) -> None:
        look_at = time.monotonic() + LOOK_S
        while True:
            is_last = self._ended.is_set()
            while facts := self._ring.waiting(BATCH):
                self._send(facts, lambda some: out.send([self._whose.record(each) for each in some]))
                self._ring.taken(len(facts))  # only now: what was not acknowledged is sent again
            if is_last:
                return
            if time.monotonic() > look_at:
                self._send_left_over(out)
                look_at = time.monotonic() + LOOK_S
            self._ended.wait(REST_S)

    def _send(self, some: Sequence[Any], send: Callable[[Sequence[Any]], None]) -> None:
        """One of which no record can be made, or that the log does not take, keeps none of the others away."""
        try:
            send(some)
        except LedgerError:
            raise
        except Exception as error:
            if len(some) == 1:
                _lost(self._ring, self._report, error)
                return
            for each in some:
                self._send([each], send)
        else:
            self._ring.counts[LOGGED] += len(some)

    def _send_left_over(self, out: DecisionsOut) -> None:
        if self._whose.left_over is None:
            return
        where = self._whose.left_over
        try:
            for where in files(self._whose.left_over):
                found = left(where)
                for start in range(0, len(found), BATCH):
                    self._send(found[start : start + BATCH], out.send)
                where.unlink(missing_ok=True)  # only now: a crash before it logs some of them again, under their ids
        except FileNotFoundError:  # another process was there first
            pass
        except OSError as error:  # what is decided now is logged all the same
            self._report(f"decisions of an earlier process stay in {where}: {error}")


def leave_rest(ring: Ring, whose: Whose, report: Callable[[str], None]) -> None:
    """Leaves what is in the ring for the next process, if it can be left anywhere, and says so."""
    waiting, lines = ring.waiting(sys.maxsize), list[bytes]()
    for facts in waiting:
        try:
            lines.append(whose.record(facts).model_dump_json().encode())
        except Exception as error:  # the others are to be left all the same
            _lost(ring, report, error)
    try:
        if lines:
            path = leave(whose.beside(), lines)
            report(f"{len(lines):,} decisions wait in {path} for the next process with this snapshot")
    except OSError as error:
        ring.counts[LOST] += len(lines)
        report(f"{len(lines):,} decisions are lost: the broker is away, and {error}")
    if waiting:
        ring.taken(len(waiting))


def _lost(ring: Ring, report: Callable[[str], None], error: Exception) -> None:
    ring.counts[LOST] += 1
    report(f"a decision is not logged ({type(error).__name__}): {error}")


def main() -> None:
    """Until the gateway has closed the channel, whose descriptor is the process's argument, and what is left to do."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the gateway ends, and this process after it
        signal.signal(number, signal.SIG_IGN)
    os.nice(LESS_URGENT)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    channel = Connection(int(sys.argv[1]))
    begin: Begin = channel.recv()
    ring, ended = Ring(begin.size, begin.descriptor), threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(channel, ended), daemon=True).start()

    def report(what: str) -> None:
        try:
            channel.send(what)
        except OSError:  # the gateway was killed
            sys.stderr.write(what + "\n")

    try:
        Recorder(ring, begin.connect, begin.whose, report, ended).run()
    except Exception:
        report(traceback.format_exc())
        if ended.is_set():  # nobody starts another one
            leave_rest(ring, begin.whose, report)
        sys.exit(1)


def _wait_for_the_end(channel: Connection, ended: threading.Event) -> None:
    with suppress(EOFError, OSError):
        channel.recv()  # nothing is ever said after the beginning
    ended.set()
