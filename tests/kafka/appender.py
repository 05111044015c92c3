"""What the tests kill: appends until it is killed, and writes down the id of everything that was acknowledged.

`python -m tests.kafka.appender ADDRESS PREFIX MIRROR ACKNOWLEDGED`
"""

import sys
import threading
from contextlib import closing
from pathlib import Path

from ledger.adapters.kafka_log import KafkaLog
from ledger.adapters.kafka_topics import KafkaTopics
from ledger.broker import Broker
from ledger.log import Appended
from schemas.topics import Topics
from tests.contracts.log import entry

THREADS = 3


def main(address: str, prefix: str, mirror: Path, acknowledged: Path) -> None:
    """Appends for ever, from several threads."""
    broker = Broker((address,), Topics(prefix))
    with closing(KafkaTopics(broker)) as topics:
        topic = topics.check()[broker.topics.ledger]
    log = KafkaLog(broker, mirror, topic.partitions, topic.topic_id)
    with acknowledged.open("a", buffering=1) as file:
        threads = [threading.Thread(target=append, args=(log, file.write)) for _thread in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def append(log: KafkaLog, told: "object") -> None:
    """Two entries a call, so that a kill may come between them."""
    while True:
        entries = [entry(), entry()]
        if all(isinstance(outcome, Appended) for outcome in log.append(entries)):
            told("".join(f"{one.event_id}\n" for one in entries))  # type: ignore[operator]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
