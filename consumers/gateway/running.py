"""What goes on in a gateway beside the questions: four threads, and what they know together.

One keeps the copy (`keeping.py`), one asks how far the ledger is, one tells what was applied (`telling.py`), one saves
the copy. None of them is waited for by a decision.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Literal

from consumers.gate import Gate
from consumers.gateway.freshness import Freshness, Lease
from consumers.gateway.keeping import Keeper
from consumers.gateway.ports import Place, Ports, Record
from consumers.gateway.reading import Unreadable
from consumers.gateway.registering import REGISTERED, RETIRED, append
from consumers.gateway.rejecting import Rejecting
from consumers.gateway.snapshots import Snapshots
from consumers.gateway.telling import Teller, Told
from consumers.replica import Replica
from ledger.errors import LedgerError, UnavailableError
from ledger.reference import References
from schemas.distributed import Receipt

ASK_S = 0.5
RETRY_S = 0.5
SAVE_S = 600.0
LOOK_S = 1.0
MOST_CHANGES = 200_000
"""How many changed subjects may wait in memory, at some 500 bytes each, before they are taken into the tables."""
STOP_S = 15.0
UNCERTAIN_MS = 5_000
"""Less than this a clock is not off: a receipt was on its way as well."""
State = Literal["starting", "current", "stale", "ended"]
log = logging.getLogger("prefledger.gateway")


class Running:
    """The threads of one gateway process, as `keeping.Owner`; any thread may read its attributes."""

    def __init__(
        self, name: str, process: str, ports: Ports, references: References, snapshots: Snapshots,
        gate: Callable[[Replica], Gate], clock: Callable[[], float], save_every_s: float = SAVE_S,
    ) -> None:  # fmt: skip
        self.name, self.process = name, process
        self._knows_switch = False
        self.failed: Exception | None = None
        self.unreadable_records = 0
        self.clock_off_ms = 0
        """What has to be added to this machine's clock to have the broker's; 0 where they agree."""
        self._ports, self._references, self._snapshots, self._clock = ports, references, snapshots, clock
        self._save_every_s = save_every_s
        self._make_gate = gate
        self._freshness, self._lease = Freshness(), Lease()
        self._lock = threading.Lock()
        self._is_joined = self._was_current = False
        self._registered, self._stopping, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._claimed: Mapping[int, int] = {}
        self._said: dict[str, str] = {}
        self._rejecting = Rejecting(ports, self.report)
        self._keeper = Keeper(ports, references.fingerprint, process, snapshots, self, self._stopping)
        self._teller = Teller(ports.receipts, self.receipt, self._told, clock, self.report)
        self._threads: list[threading.Thread] = []

    # --- starting and ending

    def start(self) -> None:
        """Returns at once."""
        tasks = {
            "keep": self._keeper.run, "ask": self._ask, "tell": self._tell, "save": self._save,
            "reject": self._rejecting.run,
        }  # fmt: skip
        self._threads = [
            threading.Thread(target=self._watched, args=(task,), name=f"gateway-{name}", daemon=True)
            for name, task in tasks.items()
        ]
        for thread in self._threads:
            thread.start()

    def _watched(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:
            # Whatever it is: without this thread the copy grows stale, and says so; the process ends.
            log.critical("%s", error, exc_info=not isinstance(error, LedgerError))
            self.failed = error
            self._stopping.set()

    def stop(self) -> None:
        """Says that it ends, saves the copy, and returns within some seconds, whatever the broker does. Repeatable."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._stopping.set()
        self._teller.stop()
        self._rejecting.stop()
        end = time.monotonic() + STOP_S
        for thread in self._threads:  # the keeper first
            thread.join(max(0.0, end - time.monotonic()))
            if thread is self._threads[0] and self._is_joined:
                self._try(lambda: self._snapshots.save(self.replica, self._keeper.notes()))
        if self._registered.is_set():
            self._try(self._retire)
        self._snapshots.close()

    def _retire(self) -> None:
        with closing(self._ports.appender()) as appender:
            append(appender, self._references, RETIRED, self.name, [self.process])
        self._snapshots.ended()

    def _try(self, task: Callable[[], object]) -> None:
        try:
            task()
        except LedgerError as error:
            self.report(str(error))

    def wait(self, seconds: float | None = None) -> bool:
        """Until it has to end, or for so long; whether it has to."""
        return self._stopping.wait(seconds)

    # --- what it is asked

    @property
    def knows_switch(self) -> bool:
        """Whether anything at all may be allowed: nothing any more once it has ended, or where the ledger is another
        one or does not want it any more, whatever the keeper says then."""
        return self._knows_switch and not self._ended.is_set() and not isinstance(self.failed, LedgerError)

    @property
    def replica(self) -> Replica:
        """The copy as it is now."""
        return self._keeper.replica

    @property
    def state(self) -> State:
        """`current` while it may allow what needs consent."""
        if self._ended.is_set():
            return "ended"
        if self.replica.staleness_s() <= self.lease_s:
            return "current"
        return "stale" if self._was_current else "starting"

    @property
    def lease_s(self) -> float:
        """By the policy in force."""
        return self.replica.reference.policy(_now()).lease_s

    def receipt(self, ended: bool = False) -> Receipt:
        """What there is to be told now."""
        replica = self.replica
        if self._is_joined:
            self._claimed = replica.watermark()
        as_of = replica.current_as_of
        policy = replica.reference.policy(_now())
        return Receipt(
            gateway=self.name, process=self.process, at=_now(), ledger_version=self._ports.ledger_version,
            watermark=dict(self._claimed),
            fresh_for_ms=None if as_of is None else max(0, math.floor((self._clock() - as_of) * 1000)),
            lease_ms=math.ceil(policy.lease_s * 1000), policy=policy.label, state="ended" if ended else self.state,
        )  # fmt: skip

    def facts(self) -> dict[str, float]:
        """What is measured, by the names of `metrics.py`."""
        follower, replica = self._keeper.follower, self.replica
        return {
            "staleness_seconds": replica.staleness_s(), "lease_seconds": self.lease_s,
            "knows_switch": self.knows_switch, "changes_pending": replica.pending,
            "parts_waiting": follower.waiting if follower else 0, "copy_bytes": replica.base.size,
            "clock_off_seconds": self.clock_off_ms / 1000, "receipts": self._teller.told,
            "unreadable_records": self.unreadable_records,
        }  # fmt: skip

    def follower_parts(self) -> int:
        """How many parts of states were taken since the process began to follow the tables."""
        return self._keeper.follower.taken if self._keeper.follower else 0

    def now(self) -> int:
        """The time of a message that is sent now, in milliseconds, as the ledger's clock has it.

        An opt-out counts from when it was recorded; a machine whose clock is behind would pass over it for as long.
        """
        follower = self._keeper.follower
        now = time.time_ns() // 1_000_000 + self.clock_off_ms
        return now if follower is None or now >= follower.recorded_at else follower.recorded_at

    # --- what the keeper tells: `keeping.Owner`

    def copies(self, replica: Replica) -> None:
        replica.clock, replica.lease_until = self._clock, self._lease.until
        self.gate = self._make_gate(replica)

    def knows_the_switch(self, known: bool) -> None:
        self._knows_switch = known

    def applied(self) -> None:
        self._is_joined, self.replica.in_pieces = True, False
        self._refresh()
        self._teller.changed()

    def parted(self) -> None:
        # A receipt goes on to say what it said: whoever waits for this gateway waits for its whole lease.
        self._is_joined, self.replica.in_pieces = False, True

    def register(self, partitions: int) -> Mapping[int, int]:
        if not self._registered.is_set():
            with closing(self._ports.appender()) as appender:
                append(appender, self._references, REGISTERED, self.name, [self.process])
                append(appender, self._references, RETIRED, self.name, self._snapshots.dead)
            self._snapshots.buried()
        with closing(self._ports.ends()) as ends:
            found = ends.ends()
        self._registered.set()
        return found

    def report(self, what: str) -> None:
        if self._said.get("last") != what:
            log.warning("%s", what)
        self._said["last"] = what

    def unreadable(self, place: Place, record: Record | None, what: Unreadable) -> None:
        self.unreadable_records += 1
        self._rejecting.put(place, record, what)

    # --- the threads

    def _ask(self) -> None:
        """Asks where the ledger ends, again and again; the answer counts as of before it was asked."""
        self._wait_for_registration()
        while not self._stopping.is_set():
            try:
                with closing(self._ports.ends()) as ends:
                    while not self._stopping.is_set():
                        t0 = self._clock()
                        found = ends.ends()
                        with self._lock:
                            self._freshness.asked(t0, found)
                        self._refresh()
                        self._stopping.wait(ASK_S)
            except UnavailableError as error:
                self.report(str(error))
                self._stopping.wait(RETRY_S)

    def _wait_for_registration(self) -> None:
        while not self._registered.wait(0.1) and not self._stopping.is_set():
            pass

    def _refresh(self) -> None:
        with self._lock:
            if not self._is_joined:
                return
            as_of = self._freshness.fresh_as_of(self.replica.watermark())
            if as_of is not None:
                self.replica.is_current(as_of)
                self._was_current = True

    def _tell(self) -> None:
        self._wait_for_registration()
        if self._registered.is_set():
            self._teller.run()

    def _told(self, told: Told) -> None:
        off = told.told_at - _now()
        if abs(off) > UNCERTAIN_MS and abs(self.clock_off_ms) <= UNCERTAIN_MS:
            self.report(f"this machine's clock is {off / 1000:+.0f} s off the broker's; the broker's is gone by")
        # Before the lease: nothing that needs consent may be allowed while it is not known what time it is.
        self.clock_off_ms = off if abs(off) > UNCERTAIN_MS else 0
        self._lease.told(told.sent_at, told.lease_s)
        self.replica.lease_until = self._lease.until

    def _save(self) -> None:
        due = self._clock() + self._save_every_s
        while not self._stopping.wait(LOOK_S):
            if self._clock() < due and self.replica.pending < MOST_CHANGES:
                continue
            self._try(self._save_now)
            due = self._clock() + self._save_every_s

    def _save_now(self) -> None:
        replica = self.replica
        notes = self._keeper.notes() if self._is_joined else replica.notes
        if notes.get("positions"):
            self._snapshots.save(replica, notes)
        else:
            replica.merge()


def _now() -> int:
    return time.time_ns() // 1_000_000
