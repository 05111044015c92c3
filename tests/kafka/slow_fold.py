"""The command line with a fold that takes its time: `python -m tests.kafka.slow_fold SECONDS COMMAND…`.

It stands still for so long whenever it has changed something, before that is committed.
"""

import sys
import time

from projections.adapters import faust_fold


def be_slow(seconds: float) -> None:
    """From now on each batch that changes a state takes so long in this process."""
    encoded = faust_fold.encoded

    def slow(changed: dict[str, faust_fold.Part]) -> object:
        if changed:
            time.sleep(seconds)
        return encoded(changed)

    faust_fold.encoded = slow  # type: ignore[assignment]


if __name__ == "__main__":
    be_slow(float(sys.argv.pop(1)))
    from consumers.cli.main import main

    main()
