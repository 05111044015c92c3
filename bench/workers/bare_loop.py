"""The fold on the bare client (librdkafka), ten transactions a second: what Python can reach without a framework.

No rebalancing, no recovery, no fencing by partition: a limit, not an alternative.
python bench/workers/bare_loop.py BROKER TOPIC GROUP CHANGELOG
"""

import sys
import time

import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition

BROKER, TOPIC, GROUP, CHANGELOG = sys.argv[1:5]
INTERVAL_S = 0.1


def main() -> None:
    """Until it is ended."""
    consumer = Consumer(
        {"bootstrap.servers": BROKER, "group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False,
         "isolation.level": "read_committed", "fetch.queue.backoff.ms": 10}
    )  # fmt: skip
    producer = Producer(
        {"bootstrap.servers": BROKER, "transactional.id": GROUP, "linger.ms": 5, "batch.size": 900_000,
         "queue.buffering.max.messages": 1_000_000}
    )  # fmt: skip
    producer.init_transactions()
    consumer.subscribe([TOPIC])
    states: dict[bytes, bytes] = {}
    ends: dict[int, int] = {}
    due = 0.0
    while True:
        messages = consumer.consume(5_000, 0.05)
        if messages and not ends:
            producer.begin_transaction()
            due = time.monotonic() + INTERVAL_S
        for message in messages:
            fold(message, states, producer)
            ends[message.partition()] = message.offset() + 1
        if ends and time.monotonic() >= due:
            offsets = [TopicPartition(TOPIC, partition, end) for partition, end in ends.items()]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
            producer.commit_transaction()
            ends.clear()


def fold(message: Message, states: dict[bytes, bytes], producer: Producer) -> None:
    """One event."""
    key, event = message.key(), orjson.loads(message.value())
    before = states.get(key)
    count = orjson.loads(before)["count"] if before else 0
    after = states[key] = orjson.dumps({"count": count + 1, "last": event["event_id"]})
    while True:
        try:
            producer.produce(CHANGELOG, after, key, message.partition())
        except BufferError:
            producer.poll(0.05)
        else:
            return


if __name__ == "__main__":
    main()
