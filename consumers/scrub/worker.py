"""A process of the scrub: `python -m consumers.scrub.worker DESCRIPTOR`, started by `consumers/scrub/workers.py`."""

import sys

from consumers.scrub.workers import serve

if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
