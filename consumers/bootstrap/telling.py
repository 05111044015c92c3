"""What a long-running process says of itself, and where."""

import logging
import sys


def tell_on_stderr(name: str) -> None:
    """What the logger of this name says, and warnings of everybody else, a line each with its time."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger(name).setLevel(logging.INFO)
