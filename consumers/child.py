"""A process that works for another one: `python -m consumers.child`, started by `consumers/children.py`."""

import sys

from consumers.children import serve

if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
