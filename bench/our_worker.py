"""Our worker in a process of its own, with the product's fold or with the simple one that all frameworks do.

python -m bench.our_worker --fold simple|product --broker HOST:PORT --topics-prefix P
"""

import argparse
from collections.abc import Iterable

import orjson

from consumers.bootstrap.worker import Options, run_worker
from ledger.broker import Broker
from projections.adapters.faust_batch import Folded, Record, States
from schemas.topics import Table, Topics

STATES: Table = "by-number"


class SimpleFold:
    """Counts the events of a key and keeps the last one's id; states are read and written as JSON, event by event."""

    def __init__(self, states: States, recorded_at: int) -> None:
        self._states = states[STATES]
        self._recorded_at = recorded_at

    def fold(self, records: Iterable[Record]) -> Folded:
        """What the records change."""
        changed: dict[bytes, bytes] = {}
        for record in records:
            key, event = record.key, orjson.loads(record.value or b"")
            before = changed.get(key) or self._states.get(key)  # type: ignore[arg-type]
            count = orjson.loads(before)["count"] if before else 0
            changed[key] = orjson.dumps({"count": count + 1, "last": event["event_id"]})  # type: ignore[index]
            self._recorded_at = max(self._recorded_at, record.timestamp)
        return Folded({STATES: changed}, (), self._recorded_at)


def main() -> None:
    """Until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fold", choices=("simple", "product"), required=True)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--topics-prefix", required=True)
    said = parser.parse_args()
    folder = (lambda _partition, states, at: SimpleFold(states, at)) if said.fold == "simple" else None
    run_worker(Broker((said.broker,), Topics(said.topics_prefix)), Options(standby=0), folder=folder)


if __name__ == "__main__":
    main()
