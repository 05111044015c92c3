"""Sets aside what a gateway cannot read in a table: a line in its log, and an entry in the rejected topic."""

import logging
import queue
from collections.abc import Callable
from contextlib import closing

from consumers.gateway.ports import Place, Ports, Record
from consumers.gateway.reading import Unreadable
from ledger.errors import LedgerError
from schemas.distributed import RejectedEntry
from schemas.errors import PreferenceLedgerError

MOST = 1_000
MOST_WITH_VALUES = 50
"""Where more wait, the next are set aside without their values: these may have hundreds of kilobytes each."""
log = logging.getLogger("prefledger.gateway")


class Rejecting:
    """Of one thread, but for `put`."""

    def __init__(self, ports: Ports, report: Callable[[str], None]) -> None:
        self._ports, self._report = ports, report
        self._waiting: queue.Queue[RejectedEntry | None] = queue.Queue(MOST)

    def put(self, place: Place, record: Record | None, what: Unreadable) -> None:
        """A record that cannot be read; of one that was met where its place is not known only the log says."""
        where = f"{self._ports.table_name(place.table)} {place.partition}"
        at = "" if record is None else f" at {record.offset}"
        then = "its subject is held" if what.instead else "nothing is taken from it"
        log.error("a record of %s%s under %.200s cannot be read: %s; %s", where, at, what.subject, what.reason, then)
        if record is None or self._waiting.full():
            return
        topic = self._ports.table_name(place.table)
        value = record.value if self._waiting.qsize() < MOST_WITH_VALUES else None
        self._waiting.put_nowait(
            RejectedEntry.of(topic, place.partition, record.offset, what.reason, record.key, value)
        )

    def run(self) -> None:
        """Until it is stopped. What cannot be set aside was logged, and stays in its table."""
        while (entry := self._waiting.get()) is not None:
            try:
                with closing(self._ports.rejected()) as out:
                    out.reject(entry)
            except (LedgerError, PreferenceLedgerError) as error:
                self._report(f"a record could not be set aside: {error}")

    def stop(self) -> None:
        """`run` returns after what waits."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            self._waiting.get_nowait()
            self._waiting.put_nowait(None)
