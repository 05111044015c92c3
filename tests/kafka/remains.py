"""What must stand in the topics after a run in which things were killed."""

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from functools import partial

from consumers.bootstrap import open_ledger
from ledger.adapters.kafka_client import consumer
from ledger.adapters.kafka_decisions import KafkaDecisions
from ledger.broker import Broker
from ledger.decisions import UnreadableDecisionError
from projections.rebuilt import Rebuilt
from schemas.topics import WATERMARK
from stack.processes import wait_until
from tests.kafka.answered import Answer
from tests.kafka.judged import Judge
from tests.kafka.stage import Part, Stage
from tests.kafka.story import CHANNEL, STALE, Story
from tests.kafka.workers import set_aside

POLL_MS = 200
FOUND_S = 180


def decisions_are_on_record(stage: Stage, judge: Judge) -> None:
    """All that was answered, as it was, also by gateways that were killed since: another process logs it then.

    What could not be logged while the broker was away, the next process of that gateway finds within a minute. An
    answer that was not waited for, or was lost on its way, is held against the model by its record alone.
    """
    answered = {answer.decision_id for answer in judge.answers}
    with closing(KafkaDecisions(stage.settings.broker())) as log:
        wait_until(lambda: answered <= _ids(_records(log)), FOUND_S, "all that was answered is on record", every=10)
        records = list(_records(log))
    unheard = judge.unheard(records)
    print(f"{len(records)} decisions on record, {len(unheard)} of them nobody waited for", flush=True)
    otherwise = judge.otherwise_on_record(records)
    assert not otherwise, f"{len(otherwise)} records are not what was answered, the first: {otherwise[:3]}"
    wrong = judge.wrong(unheard)
    assert not wrong, f"{len(wrong)} wrong answers on record, the first: {wrong[:3]}"


def _records(log: KafkaDecisions) -> Iterator[Answer]:
    for stored in log.scan():
        with suppress(UnreadableDecisionError):  # what a fault has put there
            yield Answer.of_record(stored.read())


def _ids(records: Iterable[Answer]) -> set[str]:
    return {record.decision_id for record in records}


def poison_is_set_aside_once(broker: Broker, story: Story) -> None:
    """Each entry that a fault has put into the ledger, by its position, and none besides."""
    ledger = broker.topics.ledger
    expected = [(ledger, *place) for place in sorted(story.poison)]
    assert [place for place in set_aside(broker) if place[0] == ledger] == expected


def tables_are_a_fold_of_the_ledger(stage: Stage, story: Story) -> None:
    """The compacted topics hold, byte for byte, what a fold from the first event gives: nothing lost, nothing twice.

    What a fault has put there of those of whom nobody speaks lies where it was put, and denies.
    """
    with open_ledger(stage.settings) as ledger:
        expected = dict(Rebuilt(ledger.log).all_parts()) | story.poisoned
    found = committed_states(stage)
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []
    for gateway in stage.gateways:
        for number in story.held:
            wait_until(partial(_holds, gateway, number), FOUND_S, f"{gateway.name} holds {number}")


def _holds(gateway: Part, number: str) -> bool:
    """Whether a gateway says so; it may be stale, or too busy to answer, but it allows nothing meanwhile."""
    said = gateway.decide(contact=number, channel=CHANNEL, purpose="marketing.offers")
    assert said is None or not said["allowed"], (gateway.name, said)
    assert said is None or said["reason"] in (STALE, "held_for_review"), (gateway.name, said)
    return said is not None and said["reason"] == "held_for_review"


def committed_states(stage: Stage) -> dict[str, bytes]:
    """The last committed value of every key of the three tables."""
    from kafka import TopicPartition

    broker = stage.settings.broker()
    states: dict[str, bytes] = {}
    with closing(consumer(broker, isolation_level="read_committed")) as reading:
        places = [
            TopicPartition(topic, partition)
            for topic in broker.topics.tables.values()
            for partition in range(stage.partitions)
        ]
        reading.assign(places)
        reading.seek_to_beginning(*places)
        ends = reading.end_offsets(places)
        while any(reading.position(place) < ends[place] for place in places):
            for records in reading.poll(timeout_ms=POLL_MS).values():
                for record in records:
                    states[record.key.decode()] = record.value
    return {key: value for key, value in states.items() if not key.startswith(WATERMARK)}
