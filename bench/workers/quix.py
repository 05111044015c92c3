"""The fold in Quix Streams: a stateful dataframe, exactly once, the state in its RocksDB with a changelog.

python bench/workers/quix.py BROKER TOPIC GROUP FOLDER COMMIT_INTERVAL_S
"""

import sys
from typing import Any

from quixstreams import Application, State

BROKER, TOPIC, GROUP, FOLDER, INTERVAL = sys.argv[1:6]


def fold(event: dict[str, Any], state: State) -> None:
    """One event; the state is JSON in the changelog, as Quix stores it."""
    before = state.get("state")
    count = before["count"] if before else 0
    state.set("state", {"count": count + 1, "last": event["event_id"]})


if __name__ == "__main__":
    app = Application(
        BROKER, consumer_group=GROUP, auto_offset_reset="earliest", processing_guarantee="exactly-once",
        commit_interval=float(INTERVAL), state_dir=FOLDER, loglevel="WARNING",
    )  # fmt: skip
    app.dataframe(app.topic(TOPIC)).update(fold, stateful=True)
    app.run()
