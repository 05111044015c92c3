"""Who judges the blocks of a scrub: this process, or others that map the copy's file, so that they share its pages."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from consumers.children import Block, Made, Pool, Work, children
from consumers.copy import Copy
from consumers.replica import Replica
from consumers.scrub.rows import Judge
from consumers.scrub.wanted import Wanted
from ledger.reference import References


class Judges(NamedTuple):
    """Who judges: this process or, of a replica, so many others."""

    copy: Copy
    references: References
    wanted: Wanted
    stale: bool
    processes: int

    @contextmanager
    def pool(self, process: Callable[[Block, Judge], Made]) -> Iterator[Pool[Block, Made]]:
        """Where blocks are given to `process`, with a judge; its errors are raised here."""
        if self.processes and isinstance(self.copy, Replica) and os.name == "posix":
            base = self.copy.settled()  # its file is there for as long as somebody here holds it
            start = partial(_judging, base.descriptor, self.references, self.wanted, self.stale, process)
            with children(start, self.processes, [base.descriptor]) as pool:
                yield pool
        else:
            judge = Judge(self.copy, self.references, self.wanted, self.stale)
            yield Pool(lambda block: process(block, judge), 0)


def _judging(
    descriptor: int, references: References, wanted: Wanted, stale: bool, process: Callable[[Block, Judge], Made]
) -> Work[Block, Made]:
    judge = Judge(Replica.of_descriptor(descriptor), references, wanted, stale)
    return lambda block: process(block, judge)
