"""From the ledger's acknowledgement until an opt-out is applied at a gateway, and enforced by all of ten of them.

The writer notes when the broker's acknowledgement has come back to it; each gateway, a process of its own, notes when
it has applied up to where; both by the clock of the same machine. *Enforced* is read from the receipts, by the broker's
clock, which is this machine's as well: every gateway has told a watermark past the event.
"""

import os
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

import orjson

from bench.changelog import records
from bench.events import entry, real_event, revoked
from bench.installation import Installation, Watched
from bench.kafka_input import fill
from bench.latencies import HEAD, histogram, row
from bench.population import number
from bench.processes import used
from consumers.bootstrap.opening import secret_of
from ledger.adapters.kafka_append import KafkaAppend
from ledger.log import Entry
from ledger.reference import References
from stack.processes import Process

GATEWAYS = int(os.environ.get("GATEWAYS", "10"))
RATES = {200: 30.0, 5_000: 20.0}
"""Events a second, and for how many seconds."""
NUMBERS = 100_000
"""Of one account."""
TURNS = 20
SETTLE_S = 3.0
WARM = (2_000, 10.0)
"""Events a second, and for how many seconds, before anything is measured: Java has to compile the broker first."""
TOGETHER = 100
"""Events that are due are appended at once, but not more of them: they would wait for each other's acknowledgement."""
MS = 1e6


class Acked(NamedTuple):
    """An event: where it is, when it was handed to the log and when the acknowledgement was back (ns)."""

    partition: int
    offset: int
    sent: int
    acked: int


class Passed:
    """When something has come past each place of the ledger, from what was noted of it in order."""

    def __init__(self) -> None:
        self._marks: dict[int, tuple[list[int], list[float]]] = {}

    def note(self, at: float, watermark: Iterable[tuple[int, int]]) -> None:
        """At that time everything before these offsets was in."""
        for partition, offset in watermark:
            offsets, times = self._marks.setdefault(partition, ([], []))
            if not offsets or offset > offsets[-1]:
                offsets.append(offset)
                times.append(at)

    def at(self, event: Acked) -> float:
        """When the event was in; infinity for one that was never."""
        offsets, times = self._marks.get(event.partition, ([], []))
        place = bisect_right(offsets, event.offset)
        return times[place] if place < len(times) else float("inf")


def paced(append: KafkaAppend, entries: Sequence[Entry], rate: float) -> list[Acked]:
    """Appends at a steady rate: all that is due at once, each on its own account."""
    found: list[Acked] = []
    began = time.perf_counter()
    while len(found) < len(entries):
        due = min(len(entries), len(found) + TOGETHER, int((time.perf_counter() - began) * rate) + 1)
        if due <= len(found):
            time.sleep(max(0.0, began + len(found) / rate - time.perf_counter()))
            continue
        sent = time.time_ns()
        answers = append.append_all([[one] for one in entries[len(found) : due]])
        acked = time.time_ns()
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            found.append(Acked(*answer[0].position, sent, acked))
    return found


class Propagation:
    """What is measured on one installation."""

    def __init__(self, installation: Installation, scale: float) -> None:
        self._installation = installation
        self._scale = scale
        self._random = Random(7)
        self._made = 0
        self._references = References(secret_of(installation.settings.secret_file, is_new=False))
        self._worker: Process | None = None
        self._gateways: list[Watched] = []
        self._applied: list[Passed] = []
        self._numbers = max(1_000, int(NUMBERS * min(1, scale)))
        self.busy: dict[str, float] = {}
        """How many cores each kind of process kept busy while events were appended."""
        self._account = self._references.of("account", "ACC-1")

    def start(self) -> None:
        """An account of many numbers in the ledger, a worker, and the first gateway."""
        link = f'"type":"ContactLinked","account":"{self._account}","reason":"added"'
        numbers = (self._references.of("number", number(position)) for position in range(self._numbers))
        made = (real_event(self._random, self._next(), lambda _: link, key) for key in numbers)
        fill(self._installation.kafka.address, self._installation.broker.topics.ledger, made)
        self._worker = self._installation.worker()
        self.more_gateways(1)

    def more_gateways(self, count: int) -> None:
        """Adds some."""
        self._gateways += self._installation.gateways(len(self._gateways) + 1, count)
        self._applied += [Passed() for _ in range(count)]

    def _next(self) -> int:
        self._made += 1
        return self._made

    def at_rate(self, rate: int, seconds: float) -> list[Acked]:
        """Appends real events of random numbers for a while, and waits until they must be in everywhere."""
        count = max(50, int(rate * seconds * self._scale))
        entries = [entry(real_event(self._random, self._next(), revoked)) for _ in range(count)]
        with closing(KafkaAppend(self._installation.broker)) as append:
            append.append(entries[:1])  # connects
            before = self._cpu_s()
            found = paced(append, entries[1:], rate)
            self.busy = {name: (cpu - before[name]) / _seconds(found) for name, cpu in self._cpu_s().items()}
        self._settle(found)
        return found

    def _cpu_s(self) -> dict[str, float]:
        assert self._worker is not None
        found = {"broker": self._installation.kafka.process.pid, "worker": self._worker.pid}
        cpu_s = {name: used(pid).cpu_s for name, pid in found.items()}
        return cpu_s | {"gateways": sum(used(gateway.pid).cpu_s for gateway in self._gateways)}

    def _settle(self, events: Sequence[Acked]) -> None:
        """Until the notes of every gateway are past all events."""
        end = time.monotonic() + 120
        while True:
            time.sleep(SETTLE_S)
            for gateway, applied in zip(self._gateways, self._applied, strict=True):
                gateway.tell({"notes": True})
                for at, watermark in gateway.answer()["notes"]:
                    applied.note(at, watermark)
            if all(applied.at(event) != float("inf") for applied in self._applied for event in events[-100:]):
                return
            if time.monotonic() > end:
                raise TimeoutError("the gateways have not applied what was appended two minutes ago")

    def applied(self, events: Sequence[Acked]) -> list[float]:
        """For each event and each gateway the milliseconds from the acknowledgement."""
        return [(applied.at(event) - event.acked) / MS for event in events for applied in self._applied]

    def applied_by_all(self, events: Sequence[Acked]) -> list[float]:
        """For each event the milliseconds from the acknowledgement until the last gateway had it."""
        return [(max(applied.at(event) for applied in self._applied) - event.acked) / MS for event in events]

    def enforced(self, events: Sequence[Acked]) -> list[float]:
        """For each event the milliseconds from the acknowledgement until every gateway had told so."""
        told: dict[str, Passed] = {}
        for record in records(self._installation.kafka.address, self._installation.broker.topics.receipts):
            receipt = orjson.loads(record.value)
            watermark = [(int(partition), offset) for partition, offset in receipt["watermark"].items()]
            told.setdefault(receipt["gateway"], Passed()).note(record.timestamp * MS, watermark)
        return [(max(one.at(event) for one in told.values()) - event.acked) / MS for event in events]

    def account(self) -> tuple[list[float], list[float], list[str]]:
        """One number and the account in turns; and what was asked at every gateway before and after the first."""
        ones: list[Acked] = []
        accounts: list[Acked] = []
        said = [f"numbers of the account: {self._numbers:,}"]
        with closing(KafkaAppend(self._installation.broker)) as append:
            for turn in range(TURNS):
                ones += paced(append, [entry(real_event(self._random, self._next(), revoked))], 1)
                if turn == 0:
                    said.append(self._asked("before", ones[-1]))
                made = real_event(self._random, self._next(), revoked, self._account, "account")
                accounts += paced(append, [entry(made)], 1)
                if turn == 0:
                    said.append(self._asked("once the account's opt-out was applied", accounts[-1]))
                time.sleep(0.2)
        self._settle([*ones, *accounts])
        return self.applied_by_all(ones), self.applied_by_all(accounts), said

    def _asked(self, when: str, event: Acked) -> str:
        for gateway in self._gateways:
            gateway.tell({"ask": [event.partition, event.offset], "first": 0, "count": self._numbers})
        answers = [gateway.answer() for gateway in self._gateways]
        allowed, denied = (sum(answer[name] for answer in answers) for name in ("allowed", "denied"))
        return f"{when}, all asked at each of {len(answers)} gateways: {allowed:,} allowed, {denied:,} denied"


def run(scale: float) -> str:
    """Tables and histograms."""
    with tempfile.TemporaryDirectory(prefix="prefledger-bench-") as folder, Installation(Path(folder)) as installation:
        measured = Propagation(installation, scale)
        measured.start()
        measured.at_rate(WARM[0], WARM[1] / scale)
        rows, histograms, said = [HEAD], [], []
        for gateways in (1, GATEWAYS):
            measured.more_gateways(gateways - 1 if gateways > 1 else 0)
            for rate, seconds in RATES.items():
                of = f"{rate:,}/s, {gateways} gateway{'s' if gateways > 1 else ''}"
                events = measured.at_rate(rate, seconds)
                busy = ", ".join(f"{name} {cores:.2f}" for name, cores in measured.busy.items())
                said.append(f"{of}: {len(events) / _seconds(events):,.0f}/s reached; cores busy: {busy}")
                found = {"acknowledged → applied at a gateway": measured.applied(events)}
                if gateways > 1:
                    found["acknowledged → applied by all"] = measured.applied_by_all(events)
                found["acknowledged → enforced by all"] = measured.enforced(events)
                found["handed to the log → acknowledged"] = [(event.acked - event.sent) / MS for event in events]
                rows += [row(f"{of}: {name}", some) for name, some in found.items()]
                histograms += [histogram(f"{of}: {name}", some) for name, some in list(found.items())[:-1]]
        one, account, asked = measured.account()
        rows += [row("one number: applied by all", one), row("an account: applied by all", account)]
    return "\n".join([*rows, "", *(f"- {line}" for line in (*said, *asked)), "", *histograms])


def _seconds(events: Sequence[Acked]) -> float:
    """From the first one to the last."""
    return (events[-1].acked - events[0].sent) / 1e9
