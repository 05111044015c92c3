"""A process that works for another one: `python -m consumers.child`, started by `consumers/children.py`."""

import signal
import sys

from consumers.children import serve

if __name__ == "__main__":
    # Ctrl-C reaches all processes of a terminal; the one that was started by hand says so, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
