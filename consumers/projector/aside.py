"""What comes into the rows from elsewhere than the ledger: looked for now and then, in a thread of its own.

The ledger's events do not wait for it: a look may read for minutes what many gateways decided in an hour.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Thread
from typing import Final

from ledger.errors import LedgerError

REST: Final = 20
"""So many times as long as a look took, it rests: looking takes a twentieth of a processor at most."""
WAIT_S: Final = 10.0
"""Until it is tried again when something was away."""
log = logging.getLogger("prefledger.projector")

Look = Callable[[], bool | None]
"""Brings some rows up; answers True where it has more to do at once."""
Looks = Mapping[Look, float]
"""Each look, and how many seconds are at least between two of its kind."""
Opened = Callable[[Callable[[], bool]], AbstractContextManager[Looks]]
"""Opens what the looks read; is given what says whether they are asked to end."""


@contextmanager
def looking(opened: Opened) -> Iterator[None]:
    """As long as this lasts. Whatever a look meets is told of, and tried again."""
    ends = Event()
    thread = Thread(target=_look, args=(opened, ends), name="aside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join(WAIT_S)


def _look(opened: Opened, ends: Event) -> None:
    while not ends.is_set():
        try:
            with opened(ends.is_set) as looks:
                _in_turn(looks, ends)
        except LedgerError as error:
            log.warning("%s; it is looked for again in %.0f s", error, WAIT_S)
        except Exception:  # a fault of ours: the rows of the ledger go on, and this is not silently left undone
            log.exception("looking for what is not in the ledger failed; again in %.0f s", WAIT_S)
        ends.wait(WAIT_S)


def _in_turn(looks: Looks, ends: Event) -> None:
    due = dict.fromkeys(looks, 0.0)
    while not ends.is_set():
        look = min(due, key=lambda one: due[one])
        if ends.wait(max(0.0, due[look] - time.monotonic())):
            return
        begun = time.monotonic()
        is_more = look()
        took = time.monotonic() - begun
        due[look] = time.monotonic() + max(0.0 if is_more else looks[look], REST * took)
