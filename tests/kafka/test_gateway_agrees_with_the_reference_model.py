"""Every answer of a gateway is the reference model's at the watermark that it names, while everything moves.

Nasty histories are appended and folded in small transactions, some of them taken back; gateways start from the topics,
from snapshots and in the middle of it, while the broker compacts the tables.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple, cast

import pytest

from consumers.decisions.logged import logged
from consumers.decisions.replaying import Replayer
from consumers.gate import Decision
from consumers.gateway import Gateway
from ledger.broker import Broker
from ledger.log import Log
from schemas.distributed import LoggedDecision
from schemas.encoding import decode
from schemas.errors import ScopeError
from schemas.topics import TABLES, Table
from stack.processes import wait_until
from tests.consumers.asking import REFERENCES
from tests.consumers.facts_log import FactsLog
from tests.histories import History, history, interesting_times, questions
from tests.kafka.gateways import gateway
from tests.kafka.table_writer import AT_ONCE, TableWriter
from tests.kafka.workers import told as told_by
from tests.reference_model import Fact, Message, answer

pytestmark = pytest.mark.kafka
LONG = 60.0
PROCESS = "019b0000-0000-7000-8000-000000000001"
LAG = {**AT_ONCE, "min.compaction.lag.ms": "8000", "max.compaction.lag.ms": "8000"}
"""What is older than eight seconds is compacted whenever the broker looks; no gateway here is that far behind."""


class Asked(NamedTuple):
    """A question, and what a gateway answered."""

    message: Message
    decision: Decision


class Asking:
    """Asks a gateway one question after the other, in a thread of its own."""

    def __init__(self, seed: int, told: History) -> None:
        self.answers: list[Asked] = []
        self._messages = questions(Random(seed), told, count=100)
        self._rng = Random(seed)

    @contextmanager
    def of(self, asked: Gateway) -> Iterator[None]:
        """Meanwhile."""
        stopping = threading.Event()
        thread = threading.Thread(target=self._ask, args=(asked, stopping))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def must_go_on(self, more: int) -> None:
        """Waits for so many answers."""
        count = len(self.answers) + more
        wait_until(lambda: len(self.answers) > count, LONG, "it is asked")

    def _ask(self, asked: Gateway, stopping: threading.Event) -> None:
        while not stopping.wait(0.005):
            message = self._rng.choice(self._messages)
            if not asked.running.knows_switch:
                continue
            try:
                self.answers.append(Asked(message, ask(asked, message)))
            except ScopeError:  # there is no policy at that time, or none that knows the message
                continue


def ask(asked: Gateway, message: Message) -> Decision:
    """Contacts of histories are references already."""
    return asked.running.gate.decide_ref(
        bytes.fromhex(message.contact), "email", message.contact, channel=message.channel, purpose=message.purpose,
        brand=message.brand, sender=message.sender, at=message.at, jurisdiction=message.jurisdiction,
    )  # fmt: skip


def facts_of(ledger: TableWriter) -> list[Fact]:
    """The ledger as it came to be; times of a partition never run backwards."""
    facts = []
    for partition in range(ledger.partitions):
        clock = 0
        for entry in ledger.read(partition):
            clock = max(clock, entry.recorded_at)
            facts.append(Fact(entry.position, clock, decode(entry.value)))
    return facts


def must_agree(facts: list[Fact], answers: list[Asked]) -> int:
    """Each answer is the model's at its watermark; how many of them were no `stale`."""
    known: dict[tuple[Message, tuple[tuple[int, int], ...]], object] = {}
    certain = 0
    for message, decision in answers:
        if decision.reason == "stale":
            continue
        certain += 1
        watermark = dict(decision.watermark)
        key = (message, tuple(sorted(watermark.items())))
        if key not in known:
            known[key] = answer(facts, message, watermark)
        assert (decision.allowed, decision.reason, frozenset(decision.evidence)) == known[key], (message, watermark)
    return certain


def must_replay(facts: list[Fact], answers: list[Asked]) -> None:
    """Each answer, `stale` ones too, comes out the same from what is on record of it and the ledger."""
    replayer = Replayer(cast(Log, FactsLog(facts, 3)))
    for message, decision in answers:
        record = logged(decision, REFERENCES, "sms-1", PROCESS).model_copy(update={"subject": message.contact})
        again = LoggedDecision.model_validate_json(record.model_dump_json())
        assert replayer.replay(again).differences() == [], again


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_every_answer_is_the_models_at_its_watermark(
    seed: int, broker: Broker, tmp_path: Path
) -> None:
    told = history(Random(seed), events=90, partitions=3)
    events = [fact.event for fact in told.facts]
    told = told._replace(times=interesting_times(told.facts))
    asking = Asking(seed, told)
    rng = Random(seed)
    with TableWriter(broker, partitions=3, settings=LAG) as ledger:
        ledger.say(events[:30])
        ledger.fold(batch=3)
        for start in (30, 60):  # from the topics alone, then from the snapshot of a gateway that has ended
            with ledger.working(batch=3), gateway(broker, tmp_path) as asked, asking.of(asked):
                asked.wait_until_current(LONG)
                for each in range(start, start + 30, 5):
                    past = ledger.say(events[each : each + 5])
                    if rng.random() < 0.3 or each == start + 25:
                        must_apply(asked, past)
                asking.must_go_on(30)
        must_be_compacted(ledger)
        # Another one has nothing but what compaction has left.
        with ledger.working(batch=3), gateway(broker, tmp_path, "sms-2") as asked, asking.of(asked):
            asked.wait_until_current(LONG)
            asking.must_go_on(30)
        facts = facts_of(ledger)
    assert must_agree(facts, asking.answers) > 100
    must_replay(facts, asking.answers)


def must_be_compacted(ledger: TableWriter) -> None:
    """The broker has removed some of what was committed to each table: else nothing here was about compaction."""

    def is_compacted(table: Table) -> bool:
        written = ledger.written[table]
        return sum(map(len, told_by(ledger.broker, ledger.broker.topics.table(table)).values())) < written

    wait_until(lambda: all(map(is_compacted, TABLES)), 2 * LONG, "the tables are compacted", every=1)


def must_apply(asked: Gateway, past: dict[int, int]) -> None:
    """Waits until a gateway has it."""
    reached = asked.running.replica.watermark
    wait_until(lambda: all(reached().get(each, 0) >= at for each, at in past.items()), LONG, "it has them")
