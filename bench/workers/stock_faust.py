"""The fold in Faust as it comes: an agent, a table with a changelog, at least once.

Only its producer lingers, 20 ms: by default it sends nearly every change by itself, at twice the cost.

python -m bench.workers.stock_faust BROKER TOPIC GROUP FOLDER
"""

import logging
import sys

import orjson

BROKER, TOPIC, GROUP, FOLDER = sys.argv[1:5]
del sys.argv[1:]  # Faust reads the program's arguments when it is imported

import faust  # noqa: E402

app = faust.App(
    GROUP,
    broker=f"aiokafka://{BROKER}",
    store="memory://",
    datadir=FOLDER,
    topic_partitions=4,
    web_enabled=False,
    producer_linger=0.02,
)
states = app.Table("states", key_type=bytes, value_type=bytes)


@app.agent(app.topic(TOPIC, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"))
async def fold(stream: faust.Stream[bytes]) -> None:
    """One event after the other, as Faust's own documentation has it."""
    async for key, value in stream.items():
        event, before = orjson.loads(value), states.get(key)
        count = orjson.loads(before)["count"] if before else 0
        states[key] = orjson.dumps({"count": count + 1, "last": event["event_id"]})


if __name__ == "__main__":
    for name in ("faust", "mode", "aiokafka", "asyncio"):  # else a record is made of every debug message, and dropped
        logging.getLogger(name).setLevel(logging.WARNING)
    faust.Worker(app, loglevel="warning").execute_from_commandline()
