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


@contextmanager
def unsearched() -> Iterator[None]:
    """As `rarely`, and what was made while it lasted is put among the old objects without a look at it.

    For one answer of many objects: the end of `rarely` goes through all of them at once, a sixth of the time of a
    timeline. Circles among them are found by the next search of everything, which only other work brings about; so not
    for work that is done again and again.
    """
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # what somebody else froze would thaw with it
            gc.freeze()
            gc.unfreeze()
        if is_on:
            gc.enable()
