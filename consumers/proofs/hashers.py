"""The hashes of a whole log, where several processes share the work: each reads a range of it by itself.

A range in which anything is wrong is given back without an answer. It and all after it are then read here, one by one,
so that what is found and where it stands is the same however many processes there are.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from typing import NamedTuple

from consumers.children import Pool, Work, children
from consumers.proofs.rows import Earlier, Reader
from consumers.proofs.walk import Finding, Row, Say
from ledger.errors import NotALedgerError
from ledger.log import Indexed, Log, Misindexed
from ledger.tiles import WIDTH

RANGE = 32 * WIDTH
"""Entries that a process reads at a time: some megabytes."""

LARGE = 16 * RANGE
"""From so many entries on it is worth starting processes, which takes half a second."""

Range = tuple[int, int, int]
"""Partition, first offset, and the offset after the last."""


class Clean(NamedTuple):
    """What a range holds in which nothing is wrong, and the times of its first and last entry."""

    rows: list[Row]
    first_at: int
    last_at: int


class Hashers:
    """This process, and so many others that can open the log."""

    def __init__(self, opener: Callable[[], Log] | None, processes: int, large: int = LARGE, size: int = RANGE) -> None:
        """`opener`: is called in other processes, for a log that can be read from anywhere; None for none."""
        self._opener = opener
        self._processes = processes if opener else 0
        self._large = large
        self._size = size

    def rows(self, log: Log, partition: int, end: int | None, earlier: Earlier, say: Say) -> Iterator[Row]:
        """The rows of a partition up to `end`; says what is wrong with its entries, and where they end early.

        Raises UnavailableError.
        """
        reader = Reader(partition, earlier, say)
        if self._opener and self._processes > 1 and end is not None and end >= self._large:
            with children(partial(_hashing, self._opener), self._processes) as pool:
                yield from self._clean(pool, reader, partition, end)
        yield from reader.rows(log.scan(partition, end, reader.next))

    @contextmanager
    def hidden(self, log: Log, ends: Mapping[int, int | None]) -> Iterator[Callable[[], list[Misindexed]]]:
        """What gives the entries that indexes of the log hide; of a large one it is found while the block runs.

        Calling it raises NotALedgerError where an index cannot be read, UnavailableError.
        """
        known = {partition: end for partition, end in ends.items() if end}
        if self._opener and self._processes > 1 and sum(known.values()) >= self._large:
            with children(partial(_indexing, self._opener), 1) as pool, ThreadPoolExecutor(1) as executor:
                found = executor.submit(lambda: list(pool.map([known])))
                yield lambda: found.result()[0]
        else:
            yield lambda: misindexed(log, known)

    def _clean(self, pool: Pool[Range, Clean | None], reader: Reader, partition: int, end: int) -> Iterator[Row]:
        """What others found, up to the first range that they did not answer for."""
        starts = range(0, end, self._size)
        with closing(pool.map((partition, start, min(start + self._size, end)) for start in starts)) as found:
            for clean in found:
                if clean is None or clean.first_at < reader.at:
                    return
                yield from clean.rows
                reader.next, reader.at = min(reader.next + self._size, end), clean.last_at


def _indexing(opener: Callable[[], Log]) -> Work[Mapping[int, int], list[Misindexed]]:
    return partial(misindexed, opener())


def misindexed(log: Log, ends: Mapping[int, int]) -> list[Misindexed]:
    """The entries that the indexes of a log hide; of a log without such indexes none. Raises NotALedgerError."""
    if not isinstance(log, Indexed):
        return []
    return [found for partition, end in ends.items() for found in log.misindexed(partition, end)]


def _hashing(opener: Callable[[], Log]) -> Work[Range, Clean | None]:
    return partial(hashed, opener())


def hashed(log: Log, wanted: Range) -> Clean | None:
    """The rows of a range of a log; None if anything is wrong with it, or an entry of it was moved here."""
    partition, start, end = wanted
    wrong: list[Finding] = []
    with closing(Earlier(0)) as earlier:
        entries = log.scan(partition, end, start)
        try:
            first = next(entries)
        except (StopIteration, NotALedgerError):
            return None
        reader = Reader(partition, earlier, wrong.append, start)
        rows = list(reader.rows(chain([first], entries)))
        if wrong or earlier.counts or reader.next != end:
            return None
    return Clean(rows, first[1], reader.at)
