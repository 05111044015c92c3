"""What must be true after a run in which things were killed."""

from collections import Counter
from contextlib import closing

from consumers.bootstrap import open_ledger
from ledger.adapters.kafka_client import consumer
from projections.rebuilt import Rebuilt
from schemas.topics import WATERMARK
from tests.kafka.longrun import Judge, Story
from tests.kafka.stage import Stage

POLL_MS = 200


def judged(judge: Judge, story: Story) -> None:
    """Nothing acknowledged is lost, no answer is wrong, none is from before what was known to be in force."""
    reasons = Counter(str(one.said["reason"]) for one in story.asked)
    print(
        f"\n{len(story.acknowledged)} acknowledged, {len(story.asked)} asked {dict(reasons)}, "
        f"{len(story.enforced)} confirmed, faults {dict(Counter(story.faults))}, {story.refused} refused"
    )
    assert story.acknowledged
    assert story.enforced
    assert judge.lost() == []
    assert judge.wrong() == []
    assert judge.too_late() == []
    known = sum(count for reason, count in reasons.items() if reason != "stale")
    assert known > len(story.asked) / 10, reasons


def tables_are_a_fold_of_the_ledger(stage: Stage) -> None:
    """The compacted topics hold, byte for byte, what a fold from the first event gives: nothing lost, nothing twice."""
    with open_ledger(stage.settings) as ledger:
        expected = dict(Rebuilt(ledger.log).all_parts())
    found = committed_states(stage)
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []


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
