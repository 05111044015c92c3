"""A gateway in a process of its own that notes when it has applied what; told what to do on stdin, a JSON a line.

python -m bench.gateway_child NAME SNAPSHOT
{"notes": true} answers what was noted; {"ask": [PARTITION, OFFSET], "first": N, "count": N} asks about so many numbers
as soon as the copy is past that place, and answers how many are allowed. The process ends with stdin.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from bench.population import number
from consumers.bootstrap.gateway import make_gateway
from consumers.gateway import Gateway
from consumers.settings import load

PATIENCE_S = 600
Note = tuple[int, dict[int, int]]


def noting(gateway: Gateway) -> list[Note]:
    """From now on grows by the time, in ns of the clock of the wall, and the watermark of each step that was taken."""
    notes: list[Note] = []
    running, applied = gateway.running, gateway.running.applied

    def noted() -> None:
        notes.append((time.time_ns(), dict(running.replica.watermark())))
        applied()

    running.applied = noted  # type: ignore[method-assign]
    return notes


def answers(gateway: Gateway, notes: list[Note]) -> Iterator[dict[str, Any]]:
    """One to each line."""
    for line in sys.stdin.buffer:
        said = orjson.loads(line)
        if "ask" not in said:
            taken = len(notes)
            yield {"notes": [[at, sorted(watermark.items())] for at, watermark in notes[:taken]]}
            del notes[:taken]
            continue
        partition, offset = said["ask"]
        while gateway.running.replica.watermark().get(partition, 0) <= offset:
            time.sleep(0.001)
        positions = range(said["first"], said["first"] + said["count"])
        allowed = sum(
            gateway.decide(number(position), channel="sms", purpose="service").allowed for position in positions
        )
        yield {"allowed": allowed, "denied": len(positions) - allowed}


def main() -> None:
    """Says `{}` once it is current."""
    name, snapshot = sys.argv[1], Path(sys.argv[2])
    gateway = make_gateway(load(), name, snapshot, log_decisions=False)
    notes = noting(gateway)
    with gateway:
        gateway.wait_until_current(PATIENCE_S)
        _say({})
        for answer in answers(gateway, notes):
            _say(answer)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
