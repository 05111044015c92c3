"""The command line with a worker whose clock leaps: `python -m tests.kafka.leaping_clock SECONDS COMMAND…`.

It is so much later whenever the worker looks: an hour is a number of turns, however fast the machine is.
"""

import itertools
import sys
from functools import partial

from consumers.bootstrap import worker


def leap(seconds: float) -> None:
    """From now on workers of this process have such a clock."""
    looks = itertools.count()
    worker.Options = partial(worker.Options, clock=lambda: next(looks) * seconds)  # type: ignore[assignment,misc]


if __name__ == "__main__":
    leap(float(sys.argv.pop(1)))
    from consumers.cli.main import main

    main()
