"""The command line on a machine whose clock is off: `python -m tests.kafka.off_clock SECONDS COMMAND…`.

The system's own clock cannot be moved for one process. What a process of ours takes for the time it has from `time`,
so that is moved, before anything of ours or of a library's is imported; all else is as `prefledger` runs it.
"""

import sys
import time


def move(seconds: int) -> None:
    """Moves the wall clock of this process; the monotonic one goes on as it does on every machine."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + seconds * 10**9


if __name__ == "__main__":
    move(int(sys.argv.pop(1)))
    from consumers.cli.main import main

    main()
