"""Generated histories in a log of the product's own, as the catch-up loop and the views of the log read them."""

from collections.abc import Iterable, Sequence

from ledger.adapters.memory_log import MemoryLog
from ledger.log import Entry, Recorded
from schemas.encoding import decode, encode
from tests.reference_model import Fact


def logged(facts: Iterable[Fact], partitions: int = 1) -> MemoryLog:
    """A log of these facts in this order; the log decides on its own in which partition each subject is.

    Every entry makes a claim of its own, so that repetitions and clashes stand in the log as they would on a broker.
    """
    log = MemoryLog(partitions, clock=lambda: clock)
    for number, fact in enumerate(facts):
        clock = fact.recorded_at
        log.append([entry(fact, number)])
    return log


def entry(fact: Fact, number: int) -> Entry:
    """The fact as something to append, which nothing before it makes a duplicate or a conflict."""
    unique = f"{number:032x}"
    return Entry(fact.event.subject, encode(fact.event), unique, unique, unique)


def facts_of(log: MemoryLog) -> list[Fact]:
    """What a log holds, partition by partition."""
    return [fact_of(recorded) for partition in range(log.partitions) for recorded in log.read(partition)]


def fact_of(recorded: Recorded) -> Fact:
    """An entry of a log as the reference model takes it."""
    return Fact(recorded.position, recorded.recorded_at, decode(recorded.value))


def renumbered(facts: Sequence[Fact]) -> list[Fact]:
    """The facts with offsets without gaps and clocks that never run backwards: after one was put in between."""
    ends: dict[int, int] = {}
    clocks: dict[int, int] = {}
    numbered = []
    for fact in facts:
        partition = fact.position.partition
        offset = ends.get(partition, 0)
        clocks[partition] = max(fact.recorded_at, clocks.get(partition, 0))
        numbered.append(Fact(fact.position._replace(offset=offset), clocks[partition], fact.event))
        ends[partition] = offset + 1
    return numbered
