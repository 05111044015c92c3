"""Tells the receipts topic what a gateway has applied: at once when it has applied something, and every second."""

import threading
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from consumers.gateway.ports import Receipts
from ledger.errors import UnavailableError
from schemas.distributed import Receipt

EVERY_S = 1.0
APART_S = 0.25
"""Receipts are kept for ever: under steady traffic a gateway writes four a second; after a pause it tells at once."""
RETRY_S = 0.5


class Told(NamedTuple):
    """A receipt that the broker has: when it was sent and its lease, in seconds; the broker's time of it, in ms."""

    sent_at: float
    lease_s: float
    told_at: int


class Teller:
    """Of one thread; `changed` and `stop` may be called by any."""

    def __init__(
        self, connect: Callable[[], Receipts], receipt: Callable[[bool], Receipt],
        has_told: Callable[[Told], None], clock: Callable[[], float], report: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`receipt` makes what is to be said now; its argument says whether it is the last one.

        `has_told` hears of each that the broker has.
        """
        self._connect, self._receipt, self._has_told = connect, receipt, has_told
        self._clock, self._report = clock, report
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self.told = 0

    def changed(self) -> None:
        """There is something new to be told."""
        self._changed.set()

    def stop(self) -> None:
        """The last receipt is sent, if the broker is there, and `run` returns."""
        self._stopping.set()
        self._changed.set()

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopping.is_set():
            try:
                with closing(self._connect()) as receipts:
                    self._tell_all(receipts)
                    return
            except UnavailableError as error:
                self._report(str(error))
                self._stopping.wait(RETRY_S)

    def _tell_all(self, receipts: Receipts) -> None:
        while not self._stopping.is_set():
            began = self._clock()
            self._tell(receipts, ended=False)
            self._stopping.wait(max(0.0, began + APART_S - self._clock()))
            self._changed.wait(max(0.0, began + EVERY_S - self._clock()))
        self._tell(receipts, ended=True)

    def _tell(self, receipts: Receipts, ended: bool) -> None:
        self._changed.clear()
        sent_at = self._clock()
        receipt = self._receipt(ended)
        told_at = receipts.tell(receipt)
        self.told += 1
        if not ended:
            self._has_told(Told(sent_at, receipt.lease_ms / 1000, told_at))
