"""Bulk work makes millions of objects without cycles; looking for cycles at the usual rate costs as much again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = 1_000_000


@contextmanager
def rarely() -> Iterator[None]:
    """While it lasts, garbage is looked for after a million new objects instead of some hundreds."""
    usual = gc.get_threshold()
    gc.set_threshold(RARELY, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
